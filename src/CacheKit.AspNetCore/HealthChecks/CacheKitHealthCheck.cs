using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace CacheKit.AspNetCore.HealthChecks;

/// <summary>Tells whether a cache goes on without one of its stores.</summary>
internal sealed class CacheKitHealthCheck(ICache cache) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        CacheStatistics statistics;
        try
        {
            statistics = cache.GetStatistics();
        }
        catch (ObjectDisposedException exception)
        {
            return Task.FromResult(new HealthCheckResult(context.Registration.FailureStatus, $"Cache '{cache.Name}' is disposed.", exception));
        }

        var data = new Dictionary<string, object>
        {
            ["cache"] = cache.Name,
            ["entries"] = statistics.Entries,
            ["hitRatio"] = statistics.HitRatio,
        };
        List<string>? troubles = null;
        foreach (var tier in statistics.Tiers)
        {
            data[$"{tier.Name}.circuit"] = tier.Circuit.ToString();
            data[$"{tier.Name}.failures"] = tier.Failures + tier.Timeouts;
            data[$"{tier.Name}.pendingRecoveries"] = tier.PendingRecoveries;
            data[$"{tier.Name}.missingBytes"] = tier.MissingBytes;
            if (TroubleOf(tier) is { } trouble)
            {
                (troubles ??= []).Add(trouble);
            }
        }

        return Task.FromResult(troubles is null
            ? HealthCheckResult.Healthy($"No store of cache '{cache.Name}' is known to be in trouble.", data)
            : HealthCheckResult.Degraded($"Cache '{cache.Name}': {string.Join("; ", troubles)}.", data: data));
    }

    private static string? TroubleOf(CacheTierStatistics tier)
    {
        if (tier.Circuit != CircuitState.Closed)
        {
            return $"it goes on without {tier.Name}, which failed{Why(tier)}";
        }

        return tier switch
        {
            { Trouble: { } trouble } => $"{tier.Name} is in trouble: {trouble.TrimEnd('.')}",
            { FailuresInARow: 1 } => $"the last call of {tier.Name} failed{Why(tier)}",
            { FailuresInARow: > 0 } => string.Create(CultureInfo.InvariantCulture, $"the last {tier.FailuresInARow} calls of {tier.Name} failed{Why(tier)}"),
            { PendingRecoveries: 1 } => $"{tier.Name} has not been told of 1 change yet",
            { PendingRecoveries: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{tier.Name} has not been told of {tier.PendingRecoveries} changes yet"),
            { MissingBytes: > 0 } => string.Create(CultureInfo.InvariantCulture, $"{tier.Name} has {tier.MissingBytes:N0} bytes fewer than it was given, because the disk, or its user's share of it, is full"),
            _ => null,
        };
    }

    private static string? Why(CacheTierStatistics tier) => (tier.Trouble ?? tier.LastFailure) is { } reason ? $": {reason.TrimEnd('.')}" : null;
}
