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

    /// <summary>Runs the script.</summary>
    /// <param name="database">Where.</param>
    /// <param name="keys">Its keys.</param>
    /// <param name="arguments">Its other arguments.</param>
    /// <returns>What it returns.</returns>
    internal Task<RedisResult> RunAsync(IDatabase database, RedisKey[] keys, params RedisValue[] arguments)
    {
        var running = database.ScriptEvaluateAsync(_digest, keys, arguments, Flags.Master);
        return running.IsCompletedSuccessfully ? running : OrInFullAsync(running, database, keys, arguments);
    }

    private async Task<RedisResult> OrInFullAsync(Task<RedisResult> running, IDatabase database, RedisKey[] keys, RedisValue[] arguments)
    {
        try
        {
            return await running.ConfigureAwait(false);
        }
        catch (RedisServerException exception) when (exception.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
        {
            object[] command = [_text, keys.Length, .. keys, .. arguments];
            return await database.ExecuteAsync("EVAL", command, Flags.Master).ConfigureAwait(false);
        }
    }
}
