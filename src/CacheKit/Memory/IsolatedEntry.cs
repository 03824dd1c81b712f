namespace CacheKit.Memory;

/// <summary>An entry that gives every caller a copy of its own.</summary>
internal abstract class IsolatedEntry : MemoryEntry
{
    private protected IsolatedEntry(string key)
        : base(key, canHaveDetails: true)
    {
    }

    /// <summary>The copy for a caller who asks for another type than was stored.</summary>
    internal abstract object CopyAsObject();

    private protected sealed override EntryDetails? DetailsHeld { get; set; }
}

/// <summary>An isolated entry whose value was stored as <typeparamref name="T"/>. Never of <see langword="null"/>, which needs no copy.</summary>
internal sealed class IsolatedEntry<T>(string key, object captured, ValueCopier copier) : IsolatedEntry(key)
{
    internal override Type ValueType => typeof(T);

    /// <summary>What is held: the JSON that copies are read from, or a copy that nobody else has.</summary>
    internal override object? StoredValue => captured;

    internal T Copy() => (T)copier.Copy(captured);

    internal override object CopyAsObject() => copier.Copy(captured);
}
