using System.Globalization;
using Microsoft.Extensions.Options;

namespace CacheKit.DependencyInjection;

/// <summary>Finds mistakes in how a cache is to use its stores.</summary>
internal sealed class StoreRegistrationsValidator : IValidateOptions<StoreRegistrations>
{
    private const int FewestMaximumBytes = 1_024;

    private static readonly TimeSpan _shortestHeartbeat = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan _longestHeartbeat = TimeSpan.FromHours(1);

    public ValidateOptionsResult Validate(string? name, StoreRegistrations options)
    {
        var errors = new OptionErrors(nameof(CacheStoreOptions), name);
        if (!options.HasMemory && options.Stores.Count == 0)
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

        return errors.ToResult();
    }

    private static void Check(OptionErrors errors, CacheStoreOptions options)
    {
        Require(errors, nameof(options.MaximumExpiration), options.MaximumExpiration is null || options.MaximumExpiration > TimeSpan.Zero, "greater than zero", options.MaximumExpiration);
        Require(errors, nameof(options.MinimumEntryBytes), options.MinimumEntryBytes >= 0, "zero or more", options.MinimumEntryBytes);
        Require(errors, nameof(options.MaximumEntryBytes), options.MaximumEntryBytes >= FewestMaximumBytes, "at least 1,024", options.MaximumEntryBytes);
        Require(errors, nameof(options.MinimumEntryBytes), options.MinimumEntryBytes <= options.MaximumEntryBytes, $"at most {nameof(options.MaximumEntryBytes)}, which is {options.MaximumEntryBytes}", options.MinimumEntryBytes);
        Require(errors, nameof(options.ReadTimeout), IsTimeout(options.ReadTimeout), "greater than zero, or infinite", options.ReadTimeout);
        Require(errors, nameof(options.WriteTimeout), IsTimeout(options.WriteTimeout), "greater than zero, or infinite", options.WriteTimeout);
        Require(errors, nameof(options.FailuresToOpen), options.FailuresToOpen >= 1, "at least 1", options.FailuresToOpen);
        Require(errors, nameof(options.FailureShareToOpen), options.FailureShareToOpen is > 0 and <= 1, "greater than 0 and at most 1", options.FailureShareToOpen);
        Require(errors, nameof(options.OpenFor), options.OpenFor > TimeSpan.Zero, "greater than zero", options.OpenFor);
        Require(errors, nameof(options.MaximumOpenFor), options.MaximumOpenFor >= options.OpenFor, $"at least {nameof(options.OpenFor)}, which is {options.OpenFor}", options.MaximumOpenFor);
        Require(errors, nameof(options.RecoveryQueueSize), options.RecoveryQueueSize >= 1, "at least 1", options.RecoveryQueueSize);
        Require(
            errors, nameof(options.MaximumStalenessWhenDisconnected), options.MaximumStalenessWhenDisconnected >= TimeSpan.Zero, "zero or more",
            options.MaximumStalenessWhenDisconnected);
        Require(
            errors, nameof(options.HeartbeatInterval), options.HeartbeatInterval >= _shortestHeartbeat && options.HeartbeatInterval <= _longestHeartbeat,
            $"from {_shortestHeartbeat:g} to {_longestHeartbeat:g}", options.HeartbeatInterval);
        Require(errors, nameof(options.LockLease), options.LockLease > TimeSpan.Zero, "greater than zero", options.LockLease);
    }

    private static bool IsTimeout(TimeSpan time) => time > TimeSpan.Zero || time == Timeout.InfiniteTimeSpan;

    private static void Require<T>(OptionErrors errors, string option, bool isGood, string range, T value)
    {
        if (!isGood)
        {
            errors.Add(option, string.Create(CultureInfo.InvariantCulture, $"must be {range}, but is {value}."));
        }
    }
}
