using System.Reflection;
using CacheKit.Diagnostics;
using Microsoft.Extensions.Logging;

namespace CacheKit.Tests.Diagnostics;

public sealed class CacheLogTests
{
    [Fact]
    public void Event_ids_are_permanent() => Messages().Should().Equal(new Dictionary<int, (string, LogLevel)>
    {
        // Add to this list; never change it.
        [1] = ("FactoryFailedStaleServed", LogLevel.Warning),
        [2] = ("BackgroundRefreshFailed", LogLevel.Warning),
        [3] = ("FactoryHardTimeout", LogLevel.Warning),
        [4] = ("ObserverFailed", LogLevel.Error),
        [5] = ("EntryRefused", LogLevel.Debug),
        [6] = ("MemoryPressureBegan", LogLevel.Information),
        [7] = ("MemoryPressureEnded", LogLevel.Information),
        [8] = ("BackgroundWorkFailed", LogLevel.Error),
        [9] = ("LateFactoryFailed", LogLevel.Debug),
        [20] = ("StoreFailed", LogLevel.Warning),
        [21] = ("StoreTimedOut", LogLevel.Warning),
        [22] = ("CircuitOpened", LogLevel.Warning),
        [23] = ("CircuitClosed", LogLevel.Information),
        [24] = ("StoreCallFailed", LogLevel.Debug),
        [25] = ("StoreDisposalFailed", LogLevel.Warning),
        [26] = ("SubscriptionFailed", LogLevel.Warning),
        [27] = ("FeedDisconnected", LogLevel.Warning),
        [28] = ("FeedReconnected", LogLevel.Information),
        [29] = ("MessagesLost", LogLevel.Information),
        [30] = ("ForeignMessage", LogLevel.Debug),
        [31] = ("RecoveryOverflowed", LogLevel.Warning),
        [32] = ("Recovered", LogLevel.Information),
        [33] = ("RecoveryGivenUp", LogLevel.Warning),
        [34] = ("ValuesLost", LogLevel.Warning),
        [40] = ("EntryUnreadable", LogLevel.Warning),
        [41] = ("EntryOfKeyUnreadable", LogLevel.Debug),
        [42] = ("EntryTooLarge", LogLevel.Warning),
        [43] = ("EntriesSuspected", LogLevel.Information),
        [44] = ("UnknownType", LogLevel.Warning),
        [45] = ("KeysNotListed", LogLevel.Warning),
        [46] = ("StoreCallWithoutKeyFailed", LogLevel.Debug),
        [60] = ("HybridKeyNotCached", LogLevel.Warning),
        [61] = ("HybridTagNotCached", LogLevel.Warning),
        [62] = ("HybridValueNotCached", LogLevel.Warning),
    });

    [Fact]
    public void Only_messages_at_debug_name_a_key()
    {
        var naming = typeof(CacheLog).GetMethods(BindingFlags.Static | BindingFlags.NonPublic)
            .Where(method => method.GetParameters().Any(parameter => parameter.Name == "key"))
            .Select(method => method.GetCustomAttribute<LoggerMessageAttribute>()!.Level);
        naming.Should().NotBeEmpty().And.OnlyContain(level => level == LogLevel.Debug);
    }

    [Fact]
    public void A_change_of_memory_pressure_is_told_in_both_directions()
    {
        var logger = new RecordingLogger();
        logger.MemoryPressureChanged("products", isShort: true, share: 0.5);
        logger.MemoryPressureChanged("products", isShort: false, share: 0.5);
        logger.Messages.Select(message => message.Id).Should().Equal(6, 7);
        logger.Messages[0].Message.Should().Contain("'products'").And.Contain("0.5");
    }

    [Fact]
    public void A_broken_sink_breaks_nothing()
    {
        var logger = GuardedLogger.For(new ThrowingLogger());
        logger.Invoking(log => log.BackgroundWorkFailed("c", new TimeoutException())).Should().NotThrow();
        logger.Invoking(log => log.MemoryPressureChanged("c", true, 0.5)).Should().NotThrow();
        GuardedLogger.For(logger).Should().BeSameAs(logger);
    }

    [Fact]
    public void A_guarded_logger_passes_everything_on()
    {
        var logger = new RecordingLogger();
        var failure = new TimeoutException();
        GuardedLogger.For(logger).FactoryFailedStaleServed("products", new(3), failure);
        var (level, id, message, exception) = logger.Messages.Should().ContainSingle().Subject;
        (level, id, exception).Should().Be((LogLevel.Warning, 1, (Exception)failure));
        message.Should().Contain("'products'").And.EndWith(" 3 earlier messages like this were held back.");
        GuardedLogger.For(logger).FactoryFailedStaleServed("products", default, failure);
        logger.Messages[^1].Message.Should().EndWith("served instead.", "none was held back");
    }

    [Theory]
    [InlineData(1, "was told 1 change it had missed. 1 earlier message like this was held back.")]
    [InlineData(2, "was told 2 changes it had missed. 2 earlier messages like this were held back.")]
    public void One_is_told_as_one(int count, string end)
    {
        var logger = new RecordingLogger();
        logger.Recovered("products", "redis", new(count), new(count));
        logger.Messages.Should().ContainSingle().Which.Message.Should().EndWith(end);
        new CacheTierStatistics { Name = "redis", PendingRecoveries = count }.ToString().Should().EndWith(count == 1 ? ", 1 change not told yet" : ", 2 changes not told yet");
    }

    private static Dictionary<int, (string, LogLevel)> Messages() => typeof(CacheLog)
        .GetMethods(BindingFlags.Static | BindingFlags.NonPublic)
        .Select(method => (Attribute: method.GetCustomAttribute<LoggerMessageAttribute>(), method.Name))
        .Where(message => message.Attribute is not null)
        .ToDictionary(message => message.Attribute!.EventId, message => (message.Name, message.Attribute!.Level));
}
