namespace CacheKit.Redis.Tests.Rig;

/// <summary>On what a store is tested.</summary>
public enum Topology
{
    /// <summary>One server.</summary>
    OneServer,

    /// <summary>Three masters.</summary>
    Cluster,

    /// <summary>One server that wants a password and speaks TLS only.</summary>
    Secure,
}
