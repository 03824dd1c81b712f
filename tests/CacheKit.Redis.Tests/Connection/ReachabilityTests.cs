using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using CacheKit.Testing;
using CacheKit.Tests.Tiers;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace CacheKit.Redis.Tests.Connection;

/// <summary>What is found out when trouble begins belongs to that trouble, and finding out never makes another.</summary>
public sealed class ReachabilityTests
{
    private static readonly Exception _refused = new InvalidOperationException("It was not possible to connect to the server: AuthenticationFailure");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_cause_that_is_found_when_its_trouble_is_over_is_told_of_no_other(bool isOver)
    {
        var source = new Source();
        var check = new ReachabilityCheck(source, TimeProvider.System);
        var finding = check.FindAsync(null, Ct);
        if (isOver)
        {
            check.Forget();
        }

        source.Attempt.SetException(_refused);
        ((await finding) is null).Should().Be(isOver);
        (check.Cause is null).Should().Be(isOver);
        check.Forget();
        check.Cause.Should().BeNull();
    }

    [Theory]
    [InlineData("localhost", "localhost:6379")]
    [InlineData("localhost,ssl=true", "localhost:6380")]
    [InlineData("10.0.0.1,10.0.0.2:7000", "10.0.0.1:6379, 10.0.0.2:7000")]
    public void A_server_without_a_port_has_the_one_that_the_client_will_use(string configuration, string servers) =>
        EndPointText.Of(new ConfiguredConnection(configuration).EndPoints).Should().Be(servers);

    /// <summary>Only the wait for it was given up. At every outage there is one.</summary>
    [Fact]
    public async Task An_attempt_that_fails_when_nobody_waits_for_it_any_more_is_not_reported_as_overlooked()
    {
        var overlooked = 0;
        void Note(object? sender, UnobservedTaskExceptionEventArgs e)
        {
            if (e.Exception.InnerExceptions.Contains(_refused))
            {
                Interlocked.Increment(ref overlooked);
            }
        }

        TaskScheduler.UnobservedTaskException += Note;
        try
        {
            await GiveUpAsync();
            for (var i = 0; i < 5; i++)
            {
                await Task.Delay(10); // the attempt ends on another thread
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Note;
        }

        overlooked.Should().Be(0);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static async Task GiveUpAsync()
        {
            var (source, time) = (new Source(), new ManualTimeProvider());
            var finding = new ReachabilityCheck(source, time).FindAsync(null, Ct);
            time.Advance(TimeSpan.FromSeconds(2));
            (await finding).Should().BeNull("it takes too long to tell");
            source.Attempt.SetException(_refused);
        }
    }

    /// <summary>A process may be out of handles, and a client be closed at that moment.</summary>
    [Fact]
    public async Task Where_the_cause_cannot_be_found_the_trouble_is_told_all_the_same()
    {
        using var logger = new RecordingLogger();
        await using var connection = new RedisConnection(
            new Source(new UnusableEndPoint()), TestStores.Context(loggers: logger), logger, TimeSpan.FromMilliseconds(200));
        var get = () => connection.GetAsync(Ct).AsTask();
        var failure = (await get.Should().ThrowAsync<CacheStoreException>()).Which;
        await Waiting.UntilAsync(() => logger.Count(1) == 1);
        (await connection.ExplainAsync(failure, Ct)).Should().BeSameAs(failure);
    }

    private sealed class Source(params EndPoint[] servers) : ConnectionSource
    {
        internal TaskCompletionSource Attempt { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal override bool IsOwned => true;

        internal override IReadOnlyList<EndPoint> EndPoints => servers;

        internal override Task<IConnectionMultiplexer> ConnectAsync(IServiceProvider services, CancellationToken cancellationToken) =>
            Task.FromException<IConnectionMultiplexer>(new SocketException((int)SocketError.ConnectionRefused));

        // As the client's own, which goes on when nobody waits any more.
        internal override async Task TryConnectAsync(CancellationToken cancellationToken) => await Attempt.Task.ConfigureAwait(false);
    }

    /// <summary>With which even the attempt to connect fails.</summary>
    private sealed class UnusableEndPoint() : IPEndPoint(IPAddress.Loopback, 1)
    {
        public override AddressFamily AddressFamily => throw new InvalidOperationException("It cannot be tried.");
    }
}
