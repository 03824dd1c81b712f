namespace CacheKit.Redis.Tests.Rig;

/// <summary>Servers that one class of tests has to itself: where what others keep there would be in the way of an estimate.</summary>
public sealed class QuietServers : IAsyncDisposable
{
    /// <summary>The servers. Started when first needed.</summary>
    public SharedServers Servers { get; } = new();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Servers.DisposeAsync();
}
