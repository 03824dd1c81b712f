using CacheKit.Testing;
using CacheKit.Tests.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CacheKit.Tests.Adapters;

/// <summary>An application with one cache, the default one, and what stands in for other interfaces on it.</summary>
internal sealed class AdapterHost : IAsyncDisposable
{
    internal AdapterHost(Action<CacheKitBuilder> configure, Action<IServiceCollection>? services = null)
    {
        var collection = new ServiceCollection();
        collection.AddSingleton<TimeProvider>(Time);
        collection.AddSingleton<ILoggerProvider>(new RecordingLoggerProvider(Log));
        collection.AddLogging();
        services?.Invoke(collection);
        // The clock would stop at every upkeep on its way.
        collection.Configure<MemoryOptions>(memory => memory.MaintenanceInterval = TimeSpan.FromHours(1));
        collection.AddCacheKit(configure);
        Services = collection.BuildServiceProvider();
    }

    internal ManualTimeProvider Time { get; } = new();

    internal RecordingLogger Log { get; } = new();

    internal ServiceProvider Services { get; }

    internal ICache Cache => Services.GetRequiredService<ICache>();

    internal T Get<T>()
        where T : notnull => Services.GetRequiredService<T>();

    public ValueTask DisposeAsync() => Services.DisposeAsync();
}
