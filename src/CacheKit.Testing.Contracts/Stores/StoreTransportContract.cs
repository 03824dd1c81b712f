using CacheKit.Stores;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>What one node publishes all nodes of the cache receive, as far as nothing is in the way.</summary>
public abstract class StoreTransportContract : StoreContract
{
    [Fact]
    public async Task A_message_reaches_all_who_are_subscribed_the_sender_included()
    {
        var one = await CreateAsync<IInvalidationTransport>();
        var other = await OpenAnotherAsync(one);
        await using var near = await SubscribeAsync(one);
        await using var far = await SubscribeAsync(other);
        await Soon(one.PublishAsync("hello"u8.ToArray(), default));
        await near.ExpectAsync("hello");
        await far.ExpectAsync("hello");
    }

    [Fact]
    public async Task A_message_is_any_bytes_up_to_64_KiB()
    {
        var store = await CreateAsync<IInvalidationTransport>();
        var sizes = new List<int>();
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var receiver = new ByteReceiver(message =>
        {
            var expected = Pattern(message.Length);
            lock (sizes)
            {
                sizes.Add(message.Span.SequenceEqual(expected) ? message.Length : -1);
                if (sizes.Count == 5)
                {
                    all.TrySetResult();
                }
            }
        });
        await using var subscription = await Soon(store.SubscribeAsync(receiver, default));
        await Soon(receiver.Connected);
        foreach (var size in new[] { 1, 0, 256, 5_000, 64 << 10 })
        {
            await Soon(store.PublishAsync(Pattern(size), default));
        }

        await Soon(all.Task);
        sizes.Should().BeEquivalentTo([0, 1, 256, 5_000, 64 << 10]);

        static byte[] Pattern(int size) => [.. Enumerable.Range(0, size).Select(i => (byte)(i * 7))];
    }

    [Fact]
    public async Task The_bytes_of_a_message_are_not_needed_when_the_call_has_ended()
    {
        var store = await CreateAsync<IInvalidationTransport>();
        await using var subscriber = await SubscribeAsync(store);
        var bytes = "hello"u8.ToArray();
        await Soon(store.PublishAsync(bytes, default));
        bytes.AsSpan().Fill((byte)'x');
        await subscriber.ExpectAsync("hello");
        subscriber.Receiver.Messages.Should().Equal("hello");
    }

    [Fact]
    public async Task Who_has_ended_the_subscription_is_left_alone()
    {
        var store = await CreateAsync<IInvalidationTransport>();
        var ended = await SubscribeAsync(store);
        await ended.DisposeAsync();
        await using var subscriber = await SubscribeAsync(store);
        await Soon(store.PublishAsync("hello"u8.ToArray(), default));
        await subscriber.ExpectAsync("hello");
        ended.Receiver.Messages.Should().BeEmpty();
        await ended.DisposeAsync();
    }

    [Fact]
    public async Task Publishing_to_nobody_is_fine()
    {
        var store = await CreateAsync<IInvalidationTransport>();
        await Soon(store.PublishAsync("hello"u8.ToArray(), default));
    }

    [Fact]
    public async Task Caches_of_different_names_do_not_hear_each_other()
    {
        var one = await CreateAsync<IInvalidationTransport>();
        var another = await CreateAsync<IInvalidationTransport>(options => options.CacheName = "another");
        await using var first = await SubscribeAsync(one);
        await using var second = await SubscribeAsync(another);
        await Soon(one.PublishAsync("for one"u8.ToArray(), default));
        await Soon(another.PublishAsync("for another"u8.ToArray(), default));
        await first.ExpectAsync("for one");
        await second.ExpectAsync("for another");
        first.Receiver.Messages.Should().Equal("for one");
        second.Receiver.Messages.Should().Equal("for another");
    }

    [Fact]
    public async Task A_receiver_can_publish_and_use_the_store()
    {
        var store = await CreateAsync<IInvalidationTransport>();
        await SetAsync(store, "k", Entry("value"));
        var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var receiver = new RecordingReceiver
        {
            Received = message =>
            {
                if (message == "question")
                {
                    _ = store.PublishAsync("answer"u8.ToArray(), default).AsTask();
                    _ = store.InvalidateAsync("k", InvalidationKind.Remove, default).AsTask();
                }
                else
                {
                    answered.TrySetResult();
                }
            },
        };
        await using var subscription = await Soon(store.SubscribeAsync(receiver, default));
        await Soon(receiver.Connected);
        await Soon(store.PublishAsync("question"u8.ToArray(), default));
        await Soon(answered.Task);
    }

    [Fact]
    public async Task Messages_of_many_at_once_all_arrive()
    {
        const int Threads = 4;
        const int Times = 100;
        var one = await CreateAsync<IInvalidationTransport>();
        var other = await OpenAnotherAsync(one);
        await using var subscriber = await SubscribeAsync(one);
        await RunTogetherAsync(Threads, async thread =>
        {
            for (var i = 0; i < Times; i++)
            {
                await Soon((thread % 2 == 0 ? one : other).PublishAsync(System.Text.Encoding.UTF8.GetBytes($"{thread}-{i}"), default));
            }
        });
        for (var thread = 0; thread < Threads; thread++)
        {
            await subscriber.ExpectAsync($"{thread}-{Times - 1}");
        }

        await subscriber.ExpectCountAsync(Threads * Times);
        subscriber.Receiver.Messages.Distinct().Should().HaveCount(Threads * Times);
    }

    private static async Task<Subscriber> SubscribeAsync(IInvalidationTransport transport)
    {
        var subscriber = new Subscriber();
        subscriber.Subscription = await Soon(transport.SubscribeAsync(subscriber.Receiver, default));
        await Soon(subscriber.Receiver.Connected, "the connection of a subscriber");
        return subscriber;
    }

    private sealed class Subscriber : IAsyncDisposable
    {
        private readonly SemaphoreSlim _received = new(0);

        internal Subscriber() => Receiver = new() { Received = _ => _received.Release() };

        internal RecordingReceiver Receiver { get; }

        internal IAsyncDisposable? Subscription { get; set; }

        internal async Task ExpectAsync(string message)
        {
            while (!Receiver.Messages.Contains(message))
            {
                await Soon(_received.WaitAsync(), $"the message '{message}'");
            }
        }

        internal async Task ExpectCountAsync(int count)
        {
            while (Receiver.Messages.Count < count)
            {
                await Soon(_received.WaitAsync(), $"{count} messages");
            }
        }

        public ValueTask DisposeAsync() => Subscription?.DisposeAsync() ?? default;
    }

    private sealed class ByteReceiver(Action<ReadOnlyMemory<byte>> received) : IInvalidationReceiver
    {
        private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal Task Connected => _connected.Task;

        public void OnMessage(ReadOnlyMemory<byte> message) => received(message);

        public void OnInterrupted()
        {
        }

        public void OnConnected(bool isComplete) => _connected.TrySetResult();
    }
}
