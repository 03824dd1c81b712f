namespace CacheKit.Redis.Tests.Nodes;

/// <summary>What may befall a group of nodes.</summary>
[Flags]
internal enum Harms
{
    /// <summary>Servers that stall, connections that break or swallow what they are given, messages and scripts that are lost.</summary>
    Interruptions = 0,

    /// <summary>Servers that lose something of what they have, or all.</summary>
    Losses = 1,

    /// <summary>Nodes that are killed.</summary>
    DeathOfNodes = 2,
}
