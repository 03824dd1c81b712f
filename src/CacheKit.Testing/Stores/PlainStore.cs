using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>Shows of a store only what every store has, so that a cache must do without its capabilities.</summary>
/// <param name="inner">The store that does the work. It is disposed with this one.</param>
public sealed class PlainStore(ICacheStore inner) : DelegatingStore(inner);
