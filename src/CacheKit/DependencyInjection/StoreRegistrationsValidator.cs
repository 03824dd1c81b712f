using Microsoft.Extensions.Options;

namespace CacheKit.DependencyInjection;

/// <summary>Finds mistakes in how a cache is to use its stores.</summary>
internal sealed class StoreRegistrationsValidator : IValidateOptions<StoreRegistrations>
{
    private static readonly OptionRange<TimeSpan> _timeout = new("greater than zero, or infinite", static time => time > TimeSpan.Zero || time == Timeout.InfiniteTimeSpan);
    private static readonly OptionRange<TimeSpan> _heartbeat = new(
        "from 0:00:00.05 to 1:00:00", static time => time >= TimeSpan.FromMilliseconds(50) && time <= TimeSpan.FromHours(1));

    private static readonly OptionRange<long> _leastBytes = new("zero or more", static bytes => bytes >= 0);
    private static readonly OptionRange<long> _mostBytes = new("at least 1,024", static bytes => bytes >= 1024);
    private static readonly OptionRange<int> _atLeastOne = new("at least 1", static count => count >= 1);
    private static readonly OptionRange<double> _share = new("greater than 0 and at most 1", static share => share is > 0 and <= 1);

    public ValidateOptionsResult Validate(string? name, StoreRegistrations options)
    {
        var errors = new OptionErrors(nameof(CacheStoreOptions), name);
        if (!options.HasMemory && options.Stores.Count == 0 && options.Mistakes.Count == 0)
        {
            errors.AddCall(nameof(CacheKitBuilder.WithoutMemory), "leaves the cache without any tier. Add a store: UseDisk, UseRedis or UseStore.");
        }

        if (!options.HasMemory && options.IsMemoryAskedFor)
        {
            errors.AddCall(nameof(CacheKitBuilder.WithoutMemory), $"contradicts {nameof(CacheKitBuilder.UseMemory)}. Leave one of them out.");
        }

        foreach (var store in options.Stores)
        {
            Check(errors, store.Options);
        }

        errors.AddAll(options.Mistakes);

        return errors.ToResult();
    }

    private static void Check(OptionErrors errors, CacheStoreOptions options)
    {
        if (options.MaximumExpiration is { } longest)
        {
            errors.Require(nameof(options.MaximumExpiration), TimeRanges.Positive, longest);
        }

        errors.Require(nameof(options.MinimumEntryBytes), _leastBytes, options.MinimumEntryBytes);
        errors.Require(nameof(options.MaximumEntryBytes), _mostBytes, options.MaximumEntryBytes);
        errors.Require(
            nameof(options.MinimumEntryBytes),
            new OptionRange<long>($"at most {nameof(options.MaximumEntryBytes)}, which is {options.MaximumEntryBytes}", bytes => bytes <= options.MaximumEntryBytes),
            options.MinimumEntryBytes);
        errors.Require(nameof(options.ReadTimeout), _timeout, options.ReadTimeout);
        errors.Require(nameof(options.WriteTimeout), _timeout, options.WriteTimeout);
        errors.Require(nameof(options.FailuresToOpen), _atLeastOne, options.FailuresToOpen);
        errors.Require(nameof(options.FailureShareToOpen), _share, options.FailureShareToOpen);
        errors.Require(nameof(options.OpenFor), TimeRanges.Positive, options.OpenFor);
        errors.Require(
            nameof(options.MaximumOpenFor),
            new OptionRange<TimeSpan>($"at least {nameof(options.OpenFor)}, which is {options.OpenFor}", time => time >= options.OpenFor),
            options.MaximumOpenFor);
        errors.Require(nameof(options.RecoveryQueueSize), _atLeastOne, options.RecoveryQueueSize);
        errors.Require(nameof(options.MaximumStalenessWhenDisconnected), TimeRanges.NotNegative, options.MaximumStalenessWhenDisconnected);
        errors.Require(nameof(options.HeartbeatInterval), _heartbeat, options.HeartbeatInterval);
        errors.Require(nameof(options.LockLease), TimeRanges.Positive, options.LockLease);
    }
}
