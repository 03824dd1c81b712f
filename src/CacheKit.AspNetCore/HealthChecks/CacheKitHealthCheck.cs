using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace CacheKit.AspNetCore.HealthChecks;

/// <summary>Tells whether a cache goes on without one of its stores, or with less of one than it was given.</summary>
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
        List<string>? unused = null, full = null;
        foreach (var tier in statistics.Tiers)
        {
            data[$"{tier.Name}.circuit"] = tier.Circuit.ToString();
            data[$"{tier.Name}.failures"] = tier.Failures + tier.Timeouts;
            data[$"{tier.Name}.pendingRecoveries"] = tier.PendingRecoveries;
            data[$"{tier.Name}.missingBytes"] = tier.MissingBytes;
            if (tier.MissingBytes > 0)
            {
                (full ??= []).Add(tier.Name);
            }

            if (tier.Circuit != CircuitState.Closed)
            {
                (unused ??= []).Add(tier.Name);
            }
        }

        return Task.FromResult(
            unused is not null ? Degraded($"Cache '{cache.Name}' goes on without {string.Join(" and ", unused)}, which failed.")
            : full is not null ? Degraded($"Cache '{cache.Name}' goes on with less room in {string.Join(" and ", full)} than it was given: the disk is full.")
            : HealthCheckResult.Healthy($"Cache '{cache.Name}' leaves none of its stores alone.", data));

        HealthCheckResult Degraded(string description) => HealthCheckResult.Degraded(description, data: data);
    }
}
