using System.Security.Cryptography;
using System.Text;
using StackExchange.Redis;

namespace CacheKit.Redis.Protocol;

/// <summary>A script, run by its digest, and sent in full where the server does not know it yet: after a restart, a fail-over, a flush.</summary>
/// <remarks>
/// By <c>EXECUTE</c> and not by the client's own script calls: its older versions believe a server that once knew a script to know it for ever. Arguments of the type
/// <see cref="RedisKey"/> tell a cluster's client where to send it; all of one script are in one slot.
/// </remarks>
internal sealed class RedisScript
{
    /// <summary>How many of the arguments are the script's digest and its number of keys.</summary>
    internal const int Leading = 2;

    private readonly object _text;
    private readonly object _digest;

    internal RedisScript(string text)
    {
        _text = text;
#pragma warning disable CA5350 // It is Redis that names scripts so; nothing is kept secret by it.
        _digest = Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(text)));
#pragma warning restore CA5350
    }

    /// <summary>Runs the script.</summary>
    /// <param name="database">Where.</param>
    /// <param name="keys">How many keys there are.</param>
    /// <param name="arguments">Two free places, then the keys as <see cref="RedisKey"/>, then the other arguments. Not to be used again.</param>
    /// <returns>What it returns.</returns>
    internal Task<RedisResult> RunAsync(IDatabase database, int keys, object[] arguments)
    {
        arguments[0] = _digest;
        arguments[1] = Boxed.Of(keys);
        var running = database.ExecuteAsync("EVALSHA", arguments, Flags.Master);
        return running.IsCompletedSuccessfully ? running : OrInFullAsync(running, database, arguments);
    }

    private async Task<RedisResult> OrInFullAsync(Task<RedisResult> running, IDatabase database, object[] arguments)
    {
        try
        {
            return await running.ConfigureAwait(false);
        }
        catch (RedisServerException exception) when (exception.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
        {
            arguments[0] = _text;
            return await database.ExecuteAsync("EVAL", arguments, Flags.Master).ConfigureAwait(false);
        }
    }

    private static class Boxed
    {
        private static readonly object _one = 1;
        private static readonly object _two = 2;

        internal static object Of(int keys) => keys == 1 ? _one : keys == 2 ? _two : keys;
    }
}
