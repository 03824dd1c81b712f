using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace CacheKit.Redis.Tests;

/// <summary>One assembly, compiled against the oldest client, runs with all later ones as long as it keeps to what they all have.</summary>
public sealed class ClientMembersTests
{
    // Each is in 1.2.6, 2.x and 3.x with the signature that is used. Before adding one, look for it there; what is known to be missing later: Dispose of
    // IConnectionMultiplexer, Multiplexer of anything, profiling, RedisResult.Create of a value, RedisType.Unknown, and implementing any of the interfaces.
    private static readonly string[] _known =
    [
        "ConfigurationOptions.Parse",
        "ConfigurationOptions.get_ChannelPrefix",
        "ConfigurationOptions.get_ClientName",
        "ConfigurationOptions.get_EndPoints",
        "ConfigurationOptions.get_ServiceName",
        "ConfigurationOptions.set_AbortOnConnectFail",
        "ConfigurationOptions.set_ClientName",
        "ConnectionMultiplexer.ConnectAsync",
        "ConnectionMultiplexer.set_PreserveAsyncOrder",
        "IConnectionMultiplexer.CloseAsync",
        "IConnectionMultiplexer.GetDatabase",
        "IConnectionMultiplexer.GetEndPoints",
        "IConnectionMultiplexer.GetServer",
        "IConnectionMultiplexer.GetSubscriber",
        "IConnectionMultiplexer.add_ConfigurationChanged",
        "IConnectionMultiplexer.add_ConnectionFailed",
        "IConnectionMultiplexer.add_ConnectionRestored",
        "IConnectionMultiplexer.get_Configuration",
        "IConnectionMultiplexer.get_IsConnected",
        "IConnectionMultiplexer.remove_ConfigurationChanged",
        "IConnectionMultiplexer.remove_ConnectionFailed",
        "IConnectionMultiplexer.remove_ConnectionRestored",
        "IDatabase.get_Database",
        "IDatabaseAsync.ExecuteAsync",
        "IDatabaseAsync.KeyExpireAsync",
        "IDatabaseAsync.PublishAsync",
        "IDatabaseAsync.ScriptEvaluateAsync",
        "IDatabaseAsync.StringGetAsync",
        "IDatabaseAsync.StringGetRangeAsync",
        "IRedisAsync.PingAsync",
        "IServer.DatabaseSize",
        "IServer.Keys",
        "IServer.get_IsConnected",
        "IServer.get_ServerType",
        "IServer.get_Version",
        "ISubscriber.SubscribeAsync",
        "ISubscriber.UnsubscribeAsync",
        "RedisChannel..ctor",
        "RedisChannel.op_Implicit",
        "RedisConnectionException.get_FailureType",
        "RedisKey.op_Implicit",
        "RedisResult.get_IsNull",
        "RedisResult.op_Explicit",
        "RedisValue.get_EmptyString",
        "RedisValue.get_IsNull",
        "RedisValue.get_Null",
        "RedisValue.op_Implicit",
    ];

    [Fact]
    public void Only_members_that_all_supported_clients_have_are_used() =>
        string.Join(", ", UsedMembers().Except(_known)).Should().BeEmpty();

    [Fact]
    public void Nothing_is_listed_that_is_not_used_any_more() =>
        string.Join(", ", _known.Except(UsedMembers())).Should().BeEmpty();

    [Fact]
    public void No_interface_of_the_client_is_implemented() =>
        typeof(RedisOptions).Assembly.GetTypes().SelectMany(type => type.GetInterfaces())
            .Where(implemented => implemented.Assembly == typeof(StackExchange.Redis.IDatabase).Assembly).Should().BeEmpty();

    private static List<string> UsedMembers()
    {
        using var file = new PEReader(File.OpenRead(typeof(RedisOptions).Assembly.Location));
        var metadata = file.GetMetadataReader();
        var members = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var handle in metadata.MemberReferences)
        {
            var member = metadata.GetMemberReference(handle);
            if (member.Parent.Kind == HandleKind.TypeReference && metadata.GetTypeReference((TypeReferenceHandle)member.Parent) is var type
                && type.ResolutionScope.Kind == HandleKind.AssemblyReference
                && metadata.GetString(metadata.GetAssemblyReference((AssemblyReferenceHandle)type.ResolutionScope).Name) == "StackExchange.Redis")
            {
                members.Add($"{metadata.GetString(type.Name)}.{metadata.GetString(member.Name)}");
            }
        }

        return [.. members];
    }
}
