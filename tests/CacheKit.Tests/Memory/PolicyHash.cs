namespace CacheKit.Tests.Memory;

/// <summary>A hash of keys that is the same in every run, unlike the runtime's, so that what a policy keeps can be asserted.</summary>
internal static class PolicyHash
{
    internal static int Of(string key)
    {
        var hash = 0xCBF2_9CE4_8422_2325UL; // FNV-1a
        foreach (var character in key)
        {
            hash = (hash ^ character) * 0x100_0000_01B3;
        }

        return (int)(hash ^ hash >> 32);
    }
}
