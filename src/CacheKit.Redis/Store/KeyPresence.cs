namespace CacheKit.Redis.Store;

/// <summary>Under which keys something was lately seen in Redis, be it dead or alive. Only a hint: keys share places.</summary>
internal sealed class KeyPresence
{
    private readonly bool[] _places = new bool[65_536];

    internal bool IsProbable(string key) => Volatile.Read(ref Place(key));

    internal void Note(string key, bool isThere)
    {
        ref var place = ref Place(key);
        if (Volatile.Read(ref place) != isThere)
        {
            Volatile.Write(ref place, isThere);
        }
    }

    private ref bool Place(string key) => ref _places[(ushort)key.GetHashCode(StringComparison.Ordinal)];
}
