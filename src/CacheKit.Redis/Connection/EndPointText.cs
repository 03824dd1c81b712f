using System.Net;

namespace CacheKit.Redis.Connection;

/// <summary>Servers as a configuration names them.</summary>
internal static class EndPointText
{
    private const int MostNamed = 6;

    internal static string Of(EndPoint endPoint) => endPoint is DnsEndPoint dns ? $"{dns.Host}:{dns.Port}" : $"{endPoint}";

    internal static string Of(IReadOnlyList<EndPoint> endPoints) => endPoints.Count switch
    {
        0 => "(not known yet)",
        <= MostNamed => string.Join(", ", endPoints.Select(Of)),
        var count => $"{string.Join(", ", endPoints.Take(MostNamed).Select(Of))} and {count - MostNamed} more",
    };
}
