using System.Globalization;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using CacheKit.Redis.Tests.Rig;
using StackExchange.Redis;

namespace CacheKit.Redis.Tests;

/// <summary>One assembly, compiled against the oldest client, runs with all later ones as long as it keeps to what they all have.</summary>
public sealed class ClientMembersTests
{
    // The runtime finds a member by its whole signature, on the very type that is named: a default parameter more, or a move to a base interface, and it is
    // gone. Each of these is in 1.2.6, 2.x and 3.x. Before adding one, look for it there, and whether it is obsolete as an error: what is known to be missing or
    // refused is Dispose of IConnectionMultiplexer, Multiplexer of anything, PreserveAsyncOrder, IsSlave and IsReplica, profiling, RedisResult.Create of a value,
    // RedisType.Unknown, and implementing any of the interfaces.
    private static readonly string[] _known =
    [
        "ConfigurationOptions.Clone() : ConfigurationOptions",
        "ConfigurationOptions.get_ChannelPrefix() : RedisChannel",
        "ConfigurationOptions.get_ClientName() : String",
        "ConfigurationOptions.get_EndPoints() : EndPointCollection",
        "ConfigurationOptions.get_ServiceName() : String",
        "ConfigurationOptions.set_AbortOnConnectFail(Boolean) : Void",
        "ConfigurationOptions.set_ClientName(String) : Void",
        "ConfigurationOptions.set_ConnectRetry(Int32) : Void",
        "ConnectionFailedEventArgs.get_Exception() : Exception",
        "ConnectionFailedEventArgs.get_FailureType() : ConnectionFailureType",
        "IConnectionMultiplexer.CloseAsync(Boolean) : Task",
        "IConnectionMultiplexer.GetDatabase(Int32, Object) : IDatabase",
        "IConnectionMultiplexer.GetEndPoints(Boolean) : EndPoint[]",
        "IConnectionMultiplexer.GetServer(EndPoint, Object) : IServer",
        "IConnectionMultiplexer.GetSubscriber(Object) : ISubscriber",
        "IConnectionMultiplexer.add_ConfigurationChanged(EventHandler<EndPointEventArgs>) : Void",
        "IConnectionMultiplexer.add_ConnectionFailed(EventHandler<ConnectionFailedEventArgs>) : Void",
        "IConnectionMultiplexer.add_ConnectionRestored(EventHandler<ConnectionFailedEventArgs>) : Void",
        "IConnectionMultiplexer.get_Configuration() : String",
        "IConnectionMultiplexer.get_IsConnected() : Boolean",
        "IConnectionMultiplexer.remove_ConfigurationChanged(EventHandler<EndPointEventArgs>) : Void",
        "IConnectionMultiplexer.remove_ConnectionFailed(EventHandler<ConnectionFailedEventArgs>) : Void",
        "IConnectionMultiplexer.remove_ConnectionRestored(EventHandler<ConnectionFailedEventArgs>) : Void",
        "IDatabase.CreateTransaction(Object) : ITransaction",
        "IDatabase.get_Database() : Int32",
        "IDatabaseAsync.ExecuteAsync(String, ICollection<Object>, CommandFlags) : Task<RedisResult>",
        "IDatabaseAsync.KeyDeleteAsync(RedisKey, CommandFlags) : Task<Boolean>",
        "IDatabaseAsync.KeyExpireAsync(RedisKey, Nullable<TimeSpan>, CommandFlags) : Task<Boolean>",
        "IDatabaseAsync.KeyTypeAsync(RedisKey, CommandFlags) : Task<RedisType>",
        "IDatabaseAsync.PublishAsync(RedisChannel, RedisValue, CommandFlags) : Task<Int64>",
        "IDatabaseAsync.ScriptEvaluateAsync(Byte[], RedisKey[], RedisValue[], CommandFlags) : Task<RedisResult>",
        "IDatabaseAsync.StringGetAsync(RedisKey, CommandFlags) : Task<RedisValue>",
        "IDatabaseAsync.StringGetAsync(RedisKey[], CommandFlags) : Task<RedisValue[]>",
        "IDatabaseAsync.StringGetRangeAsync(RedisKey, Int64, Int64, CommandFlags) : Task<RedisValue>",
        "IDatabaseAsync.StringSetAsync(KeyValuePair<RedisKey, RedisValue>[], When, CommandFlags) : Task<Boolean>",
        "IRedisAsync.PingAsync(CommandFlags) : Task<TimeSpan>",
        "IServer.DatabaseSize(Int32, CommandFlags) : Int64",
        "IServer.Keys(Int32, RedisValue, Int32, Int64, Int32, CommandFlags) : IEnumerable<RedisKey>",
        "IServer.get_IsConnected() : Boolean",
        "IServer.get_ServerType() : ServerType",
        "IServer.get_Version() : Version",
        "ISubscriber.SubscribeAsync(RedisChannel, Action<RedisChannel, RedisValue>, CommandFlags) : Task",
        "ISubscriber.UnsubscribeAsync(RedisChannel, Action<RedisChannel, RedisValue>, CommandFlags) : Task",
        "ITransaction.ExecuteAsync(CommandFlags) : Task<Boolean>",
        "RedisChannel..ctor(Byte[], RedisChannel.PatternMode) : Void",
        "RedisConnectionException.get_FailureType() : ConnectionFailureType",
        "RedisResult.get_IsNull() : Boolean",
        "RedisValue.get_IsNull() : Boolean",
        "static ConfigurationOptions.Parse(String) : ConfigurationOptions",
        "static ConfigurationOptions.Parse(String, Boolean) : ConfigurationOptions",
        "static ConnectionMultiplexer.ConnectAsync(ConfigurationOptions, TextWriter) : Task<ConnectionMultiplexer>",
        "static RedisChannel.op_Implicit(RedisChannel) : Byte[]",
        "static RedisKey.op_Implicit(Byte[]) : RedisKey",
        "static RedisKey.op_Implicit(RedisKey) : String",
        "static RedisKey.op_Implicit(String) : RedisKey",
        "static RedisResult.op_Explicit(RedisResult) : Byte[]",
        "static RedisResult.op_Explicit(RedisResult) : Int64",
        "static RedisResult.op_Explicit(RedisResult) : Int64[]",
        "static RedisResult.op_Explicit(RedisResult) : RedisResult[]",
        "static RedisResult.op_Explicit(RedisResult) : RedisValue",
        "static RedisResult.op_Explicit(RedisResult) : RedisValue[]",
        "static RedisResult.op_Explicit(RedisResult) : String",
        "static RedisValue.get_EmptyString() : RedisValue",
        "static RedisValue.get_Null() : RedisValue",
        "static RedisValue.op_Implicit(Byte[]) : RedisValue",
        "static RedisValue.op_Implicit(Int32) : RedisValue",
        "static RedisValue.op_Implicit(Int64) : RedisValue",
        "static RedisValue.op_Implicit(RedisValue) : Byte[]",
        "static RedisValue.op_Implicit(String) : RedisValue",
    ];

    [Fact]
    public void Only_members_that_all_supported_clients_have_are_used() =>
        string.Join("; ", UsedMembers().Keys.Except(_known)).Should().BeEmpty();

    [Fact]
    public void Nothing_is_listed_that_is_not_used_any_more() =>
        string.Join("; ", _known.Except(UsedMembers().Keys)).Should().BeEmpty();

    [Fact]
    public void The_client_that_is_loaded_has_every_member_that_is_used()
    {
        var module = typeof(RedisOptions).Module;
        UsedMembers().Where(member => !Resolves(member.Value)).Select(member => member.Key).Should().BeEmpty();

        bool Resolves(int token)
        {
            try
            {
                return module.ResolveMember(token) is not null;
            }
            catch (Exception exception) when (exception is MissingMemberException or TypeLoadException)
            {
                return false;
            }
        }
    }

    // They are compiled into the package as numbers.
    [Theory]
    [InlineData(typeof(CommandFlags), "FireAndForget", 2)]
    [InlineData(typeof(CommandFlags), "DemandMaster", 4)]
    [InlineData(typeof(ConnectionFailureType), "AuthenticationFailure", 3)]
    [InlineData(typeof(ConnectionFailureType), "UnableToResolvePhysicalConnection", 1)]
    [InlineData(typeof(ConnectionFailureType), "SocketFailure", 2)]
    [InlineData(typeof(ConnectionFailureType), "ProtocolFailure", 4)]
    [InlineData(typeof(ConnectionFailureType), "SocketClosed", 6)]
    [InlineData(typeof(ConnectionFailureType), "UnableToConnect", 9)]
    [InlineData(typeof(RedisChannel.PatternMode), "Literal", 1)]
    [InlineData(typeof(RedisType), "None", 0)]
    [InlineData(typeof(RedisType), "String", 1)]
    [InlineData(typeof(RedisType), "SortedSet", 4)]
    [InlineData(typeof(ServerType), "Standalone", 0)]
    [InlineData(typeof(ServerType), "Cluster", 2)]
    [InlineData(typeof(ServerType), "Twemproxy", 3)]
    [InlineData(typeof(When), "Always", 0)]
    public void Constants_have_the_value_that_all_clients_give_them(Type type, string name, int value) =>
        Convert.ToInt32(Enum.Parse(type, name), CultureInfo.InvariantCulture).Should().Be(value);

    [Fact]
    public void No_interface_of_the_client_is_implemented() =>
        typeof(RedisOptions).Assembly.GetTypes().SelectMany(type => type.GetInterfaces())
            .Where(implemented => implemented.Assembly == typeof(IDatabase).Assembly).Should().BeEmpty();

    /// <summary>The client's members that the package refers to, with the token by which it does.</summary>
    private static SortedDictionary<string, int> UsedMembers()
    {
        using var file = new PEReader(File.OpenRead(typeof(RedisOptions).Assembly.Location));
        var metadata = file.GetMetadataReader();
        var text = new SignatureText();
        var members = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var handle in metadata.MemberReferences)
        {
            var member = metadata.GetMemberReference(handle);
            if (member.Parent.Kind == HandleKind.TypeReference && IsOfClient(metadata, (TypeReferenceHandle)member.Parent))
            {
                var name = $"{text.GetTypeFromReference(metadata, (TypeReferenceHandle)member.Parent, 0)}.{metadata.GetString(member.Name)}";
                members[Signature(member, name, text)] = MetadataTokens.GetToken(handle);
            }
        }

        return members;
    }

    private static string Signature(MemberReference member, string name, SignatureText text)
    {
        if (member.GetKind() == MemberReferenceKind.Field)
        {
            return $"{name} : {member.DecodeFieldSignature(text, null)}";
        }

        var signature = member.DecodeMethodSignature(text, null);
        return $"{(signature.Header.IsInstance ? "" : "static ")}{name}({string.Join(", ", signature.ParameterTypes)}) : {signature.ReturnType}";
    }

    private static bool IsOfClient(MetadataReader metadata, TypeReferenceHandle handle)
    {
        var scope = metadata.GetTypeReference(handle).ResolutionScope;
        return scope.Kind switch
        {
            HandleKind.TypeReference => IsOfClient(metadata, (TypeReferenceHandle)scope),
            HandleKind.AssemblyReference => metadata.GetString(metadata.GetAssemblyReference((AssemblyReferenceHandle)scope).Name) == "StackExchange.Redis",
            _ => false,
        };
    }
}
