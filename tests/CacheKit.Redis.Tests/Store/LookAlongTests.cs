using CacheKit.Redis.Connection;
using CacheKit.Redis.Protocol;
using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using CacheKit.Tests.Tiers;
using StackExchange.Redis;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Store;

/// <summary>Looks at the clock that go along with reads: what they have seen counts for what is loaded then, whenever they end, and only on their own connection.</summary>
public sealed class LookAlongTests(SharedServers servers)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Its answer may be handed out at any moment between those at which the read asks for it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_look_that_ends_while_what_was_read_is_judged_counts_for_what_is_loaded_in_its_place(bool isShared)
    {
        using var held = await HeldConnection.CreateAsync(servers);
        var time = new JudgingTime();
        await using var store = held.Store(TestStores.Context(time));
        await using var other = held.Store(TestStores.Context(), isDirect: true);

        // Past its time, and kept: so it is judged, and then loaded anew.
        var now = DateTimeOffset.UtcNow;
        await store.SetAsync("k", new StoreEntry { Payload = new byte[] { 1 }, ExpiresAt = now.AddMinutes(-1), RetainUntil = now.AddHours(1) });
        await store.GetAsync("k");
        var foreign = await other.SetAsync("other", Entry("later than anything the first has seen"));
        await Waiting.UntilAsync(() => !store.Clock.IsFresh);
        foreign.Should().BeGreaterThan(store.Clock.Latest);

        held.HoldsLooks = true;
        time.OnAsked = held.ReleaseLook;
        ValueTask<StoreLookup> reading;
        if (isShared)
        {
            // One that is under way, so that the next gathers.
            held.HoldsReads = true;
            var first = store.ReadAsync("nothing", default, default);
            held.HoldsReads = false;
            reading = store.ReadAsync("k", default, default);
            held.ReleaseReads();
            (await first).Dispose();
        }
        else
        {
            reading = store.ReadAsync("k", default, default);
        }

        using var lookup = await reading;
        lookup.IsFound.Should().BeTrue();
        lookup.LoadStamp.Should().BeGreaterThan(foreign, "the look was sent before the read, and after what the other has set");
    }

    [Fact]
    public async Task A_look_that_has_ended_by_the_time_a_read_is_finished_counts_for_what_is_loaded_in_its_place()
    {
        using var held = await HeldConnection.CreateAsync(servers);
        await using var store = held.Store(TestStores.Context());
        var loadStamp = await store.LoadStampAsync("k");
        using var lookup = await store.Reader.FinishAsync(
            "k", default, EntryTags.None, [RedisValue.Null, RedisValue.Null], loadStamp, isRecent: false, Task.FromResult(loadStamp + 1), Ct);
        lookup.LoadStamp.Should().Be(loadStamp + 1);
    }

    [Fact]
    public async Task A_look_on_a_connection_that_was_replaced_goes_along_with_no_read_on_another()
    {
        using var held = await HeldConnection.CreateAsync(servers);
        await using var store = held.Store(TestStores.Context());
        var former = await store.Connection.GetAsync(Ct);
        await store.LoadStampAsync("k");
        await Waiting.UntilAsync(() => !store.Clock.IsFresh);
        held.HoldsLooks = true;
        var look = store.Clock.BeginLook(former);
        look.Should().NotBeNull();
        store.Clock.BeginLook(former).Should().BeSameAs(look, "one is under way");
        store.Clock.BeginLook(new RedisLink(held.Direct)).Should().NotBeSameAs(look, "what is sent on another connection may be executed before it");
        held.ReleaseLook();
        await look!;
    }

    /// <summary>A connection on which looks and reads are held back: they are executed, and their answers come when a test wants them to.</summary>
    private sealed class HeldConnection : IDisposable
    {
        private readonly string _prefix;
        private readonly Lock _gate = new();
        private readonly List<Action> _looks = [];
        private readonly List<Action> _reads = [];

        private HeldConnection(IConnectionMultiplexer direct, string prefix)
        {
            (Direct, _prefix) = (direct, prefix);
            Held = Intercepted.Connection(direct, Answer);
        }

        internal IConnectionMultiplexer Direct { get; }

        internal bool HoldsLooks { get; set; }

        internal bool HoldsReads { get; set; }

        private IConnectionMultiplexer Held { get; }

        internal static async Task<HeldConnection> CreateAsync(SharedServers servers)
        {
            RedisServer.Require();
            var connection = await ConnectionMultiplexer.ConnectAsync((await servers.SingleAsync()).Configuration);
            AsyncOrder.Release(connection);
            return new(connection, servers.NextPrefix());
        }

        internal RedisStore Store(StoreContext context, bool isDirect = false)
        {
            var options = new RedisOptions { KeyPrefix = _prefix, OperationTimeout = TimeSpan.FromSeconds(30), MaximumLoadTime = TimeSpan.FromHours(1) };
            options.UseConnection(isDirect ? Direct : Held);
            return new RedisStore(options, context);
        }

        /// <summary>Hands out the answers of looks, on this thread; what is asked for from now on is not held back.</summary>
        internal void ReleaseLook()
        {
            HoldsLooks = false;
            Release(_looks);
        }

        internal void ReleaseReads() => Release(_reads);

        public void Dispose() => Direct.Dispose();

        private void Release(List<Action> held)
        {
            Action[] released;
            lock (_gate)
            {
                released = [.. held];
                held.Clear();
            }

            foreach (var hand in released)
            {
                hand();
            }
        }

        // A look is the one script that is run meanwhile, a read the one that asks for many strings.
        private object? Answer(string method, object?[] arguments, object? result) => (method, result) switch
        {
            (nameof(IDatabase.ScriptEvaluateAsync), Task<RedisResult> look) when HoldsLooks => Hold(look, _looks),
            (nameof(IDatabase.StringGetAsync), Task<RedisValue[]> read) when HoldsReads => Hold(read, _reads),
            _ => result,
        };

        private Task<T> Hold<T>(Task<T> answer, List<Action> held)
        {
            // Without a thread of its own: who hands it out has all that follows from it behind him when he goes on.
            var handed = new TaskCompletionSource<T>();
            lock (_gate)
            {
                held.Add(() =>
                {
                    try
                    {
                        handed.SetResult(answer.GetAwaiter().GetResult());
                    }
                    catch (Exception exception)
                    {
                        handed.SetException(exception);
                    }
                });
            }

            return handed.Task;
        }
    }

    /// <summary>Lets something happen when an entry is judged.</summary>
    private sealed class JudgingTime : TimeProvider
    {
        internal Action? OnAsked { get; set; }

        public override DateTimeOffset GetUtcNow()
        {
            OnAsked?.Invoke();
            return base.GetUtcNow();
        }
    }
}
