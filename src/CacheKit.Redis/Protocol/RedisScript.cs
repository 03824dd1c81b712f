using System.Security.Cryptography;
using System.Text;
using StackExchange.Redis;

namespace CacheKit.Redis.Protocol;

/// <summary>A script, run by its digest, and sent in full where the server does not know it yet: after a restart, a fail-over, a flush.</summary>
/// <remarks>
/// Never by the client's call that takes the text: its older versions believe a server that once knew a script to know it for ever. The keys tell a cluster's client where to send it; all of one
/// script are in one slot.
/// </remarks>
internal sealed class RedisScript
{
    private readonly string _text;
    private readonly byte[] _digest;

    internal RedisScript(string text)
    {
        _text = text;
#pragma warning disable CA5350 // It is Redis that names scripts so; nothing is kept secret by it.
        _digest = SHA1.HashData(Encoding.UTF8.GetBytes(text));
#pragma warning restore CA5350
    }

    /// <summary>Whether the server has answered that it does not know the script.</summary>
    internal static bool IsUnknown(Exception? exception) =>
        exception is RedisServerException { Message: var message } && message.StartsWith("NOSCRIPT", StringComparison.Ordinal);

    /// <summary>Runs the script.</summary>
    /// <param name="database">Where.</param>
    /// <param name="keys">Its keys.</param>
    /// <param name="arguments">Its other arguments.</param>
    /// <returns>What it returns.</returns>
    internal Task<RedisResult> RunAsync(IDatabase database, RedisKey[] keys, params RedisValue[] arguments)
    {
        var running = SendAsync(database, keys, arguments);
        return running.IsCompletedSuccessfully ? running : OrInFullAsync(running, database, keys, arguments);
    }

    /// <summary>Sends the digest. Fails if the server does not know the script.</summary>
    internal Task<RedisResult> SendAsync(IDatabaseAsync database, RedisKey[] keys, RedisValue[] arguments) =>
        database.ScriptEvaluateAsync(_digest, keys, arguments, Flags.Master);

    /// <summary>Sends the text, which makes the server know it.</summary>
    internal Task<RedisResult> SendInFullAsync(IDatabaseAsync database, RedisKey[] keys, RedisValue[] arguments)
    {
        object[] command = [_text, keys.Length, .. keys, .. arguments];
        return database.ExecuteAsync("EVAL", command, Flags.Master);
    }

    /// <summary>Waits for a script whose digest was sent, and sends the text if need be.</summary>
    internal async Task<RedisResult> OrInFullAsync(Task<RedisResult> running, IDatabase database, RedisKey[] keys, RedisValue[] arguments)
    {
        try
        {
            try
            {
                return await running.ConfigureAwait(false);
            }
            catch (RedisServerException exception) when (IsUnknown(exception))
            {
                return await SendInFullAsync(database, keys, arguments).ConfigureAwait(false);
            }
        }
        catch (RedisServerException exception) when (ForeignKeys.IsFound(exception))
        {
            return await ForeignKeys.TellAsync(database, keys, exception).ConfigureAwait(false);
        }
    }
}
