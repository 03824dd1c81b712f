using System.Net.Sockets;
using CacheKit.Diagnostics;
using StackExchange.Redis;

namespace CacheKit.Redis.Connection;

/// <summary>Why servers cannot be used.</summary>
/// <param name="Text">In a few words, without anything secret.</param>
/// <param name="IsRefusal">Whether a server is there, and does not let this application in.</param>
internal sealed record UnreachableCause(string Text, bool IsRefusal)
{
    /// <summary>Finds the cause in what the client has thrown or told.</summary>
    internal static UnreachableCause Of(ConnectionFailureType type, Exception? exception)
    {
        var innermost = exception;
        var isRefusal = type == ConnectionFailureType.AuthenticationFailure;
        for (var inner = exception; inner is not null; inner = inner.InnerException)
        {
            innermost = inner;
            isRefusal |= IsRefusedBy(inner);
        }

        // The client's own messages are a page of its numbers; what made it give up, or its name for it, says more.
        var text = innermost switch
        {
            null or RedisConnectionException or RedisTimeoutException => isRefusal ? "the credentials are not accepted" : TextOf(type),
            SocketException socket => TextOf(socket),
            _ => ReasonText.Of(innermost).TrimEnd('.'),
        };
        return new(text, isRefusal);
    }

    private static string TextOf(ConnectionFailureType type) => type switch
    {
        ConnectionFailureType.UnableToConnect or ConnectionFailureType.UnableToResolvePhysicalConnection => "no connection can be made",
        ConnectionFailureType.SocketClosed => "the connection was closed",
        ConnectionFailureType.SocketFailure => "the connection has failed",
        ConnectionFailureType.ProtocolFailure => "what answers there does not speak the protocol of Redis",
        _ => $"{type}",
    };

    /// <summary>What is wrong with a connection, without the server's name, which its message may go on with.</summary>
    internal static string TextOf(SocketException exception) => new SocketException((int)exception.SocketErrorCode).Message.TrimEnd('.');

    /// <summary>Whether an exception says that a server does not let anybody in with these credentials.</summary>
    internal static bool IsRefusedBy(Exception exception) =>
        exception is RedisConnectionException { FailureType: ConnectionFailureType.AuthenticationFailure }
        || exception.Message.Contains(nameof(ConnectionFailureType.AuthenticationFailure), StringComparison.Ordinal)
        || (exception is RedisServerException { Message: var message } && Refuses(message));

    /// <summary>Whether that is what a server has answered.</summary>
    internal static bool Refuses(string answer) =>
        answer.Contains("NOAUTH", StringComparison.Ordinal) || answer.Contains("WRONGPASS", StringComparison.Ordinal)
        || answer.Contains("invalid password", StringComparison.Ordinal) || answer.Contains("without any password configured", StringComparison.Ordinal);
}
