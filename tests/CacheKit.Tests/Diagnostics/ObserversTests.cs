using CacheKit.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Diagnostics;

public sealed class ObserversTests
{
    private readonly RecordingLogger _logger = new();

    [Fact]
    public void Every_observer_is_told_in_order_with_what_happened()
    {
        var told = new List<string>();
        var observers = new Observers("c", [new Recorder("1", told), new Recorder("2", told)], _logger, TimeProvider.System);
        observers.EntryEnded("k", 5, CacheEntryEndReason.Evicted);
        observers.FactorySucceeded("k", TimeSpan.FromSeconds(1));
        observers.FactoryFailed("k", new TimeoutException("slow"), TimeSpan.FromSeconds(2));
        observers.StaleServed("k");
        told.Should().Equal(
            "1 c ended k 5 Evicted", "2 c ended k 5 Evicted",
            "1 c succeeded k 00:00:01", "2 c succeeded k 00:00:01",
            "1 c failed k slow 00:00:02", "2 c failed k slow 00:00:02",
            "1 c stale k", "2 c stale k");
        observers.IsEmpty.Should().BeFalse();
    }

    [Fact]
    public void Whatever_an_observer_throws_goes_no_further_and_the_others_are_told_all_the_same()
    {
        var told = new List<string>();
        var observers = new Observers("c", [new Failing(), new Recorder("2", told)], _logger, TimeProvider.System);
        observers.EntryEnded("secret", 5, CacheEntryEndReason.Evicted);
        observers.FactorySucceeded("secret", default);
        observers.FactoryFailed("secret", new TimeoutException(), default);
        observers.StaleServed("secret");
        told.Should().HaveCount(4);

        // One failing observer is one line, however often it fails.
        var (level, id, message, exception) = _logger.Messages.Should().ContainSingle().Subject;
        (level, id).Should().Be((LogLevel.Error, 4));
        message.Should().Contain(nameof(Failing)).And.NotContain("secret");
        exception.Should().BeOfType<OperationCanceledException>();
    }

    [Fact]
    public void Failures_are_logged_once_for_each_type_of_observer()
    {
        var observers = new Observers("c", [new Failing(), new FailingToo(), new Failing()], _logger, TimeProvider.System);
        observers.StaleServed("k");
        observers.StaleServed("k");
        _logger.Messages.Should().HaveCount(2);
    }

    [Fact]
    public void A_broken_log_sink_does_not_break_what_an_observer_could_not()
    {
        var observers = new Observers("c", [new Failing()], new ThrowingLogger(), TimeProvider.System);
        observers.Invoking(them => them.StaleServed("k")).Should().NotThrow();
    }

    [Fact]
    public void Without_observers_there_is_nobody_to_tell()
    {
        var observers = new Observers("c", [], NullLogger.Instance, TimeProvider.System);
        observers.IsEmpty.Should().BeTrue();
        observers.StaleServed("k");
    }

    private sealed class Recorder(string name, List<string> told) : CacheObserver
    {
        public override void OnEntryEnded(string cacheName, string key, object? value, CacheEntryEndReason reason) =>
            told.Add($"{name} {cacheName} ended {key} {value} {reason}");

        public override void OnFactorySucceeded(string cacheName, string key, TimeSpan elapsed) =>
            told.Add($"{name} {cacheName} succeeded {key} {elapsed}");

        public override void OnFactoryFailed(string cacheName, string key, Exception exception, TimeSpan elapsed) =>
            told.Add($"{name} {cacheName} failed {key} {exception.Message} {elapsed}");

        public override void OnStaleServed(string cacheName, string key) => told.Add($"{name} {cacheName} stale {key}");
    }

    private class Failing : CacheObserver
    {
        public override void OnEntryEnded(string cacheName, string key, object? value, CacheEntryEndReason reason) => throw new OperationCanceledException();

        public override void OnFactorySucceeded(string cacheName, string key, TimeSpan elapsed) => throw new OperationCanceledException();

        public override void OnFactoryFailed(string cacheName, string key, Exception exception, TimeSpan elapsed) => throw new OperationCanceledException();

        public override void OnStaleServed(string cacheName, string key) => throw new OperationCanceledException();
    }

    private sealed class FailingToo : Failing;
}
