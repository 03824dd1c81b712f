namespace CacheKit.Redis.Gathering;

/// <summary>Calls to be used again: a few for each thread.</summary>
/// <typeparam name="TCall">The kind of calls.</typeparam>
internal static class CallPool<TCall>
    where TCall : class, new()
{
    private const int Most = 64;

    [ThreadStatic]
    private static TCall[]? _calls;

    [ThreadStatic]
    private static int _count;

    internal static TCall Rent()
    {
        var calls = _calls;
        if (calls is null || _count == 0)
        {
            return new();
        }

        return calls[--_count];
    }

    internal static void Return(TCall call)
    {
        var calls = _calls ??= new TCall[Most];
        if (_count < calls.Length)
        {
            calls[_count++] = call;
        }
    }
}
