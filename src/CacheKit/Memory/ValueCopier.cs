namespace CacheKit.Memory;

/// <summary>How values of one type are kept apart from those who stored them and those who read them.</summary>
internal abstract class ValueCopier
{
    /// <summary>Takes what the entry holds, of which no caller has any part.</summary>
    internal abstract object Capture(object value);

    /// <summary>Makes a value for one caller from what <see cref="Capture"/> took. Called concurrently.</summary>
    internal abstract object Copy(object captured);
}
