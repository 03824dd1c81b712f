using System.Diagnostics.CodeAnalysis;
using CacheKit.Memory;
using Microsoft.Extensions.Primitives;

namespace CacheKit.Engine;

/// <summary>Asks change tokens, which are the caller's code, without depending on it.</summary>
internal static class ChangeTokens
{
    /// <summary>Whether a token calls back whenever it changes; else it must be asked.</summary>
    /// <remarks>A composite one says that it does if any of its parts does, and keeps silent when another part changes.</remarks>
    internal static bool CallBack(IChangeToken token) => token is CompositeChangeToken composite
        ? composite.ChangeTokens.All(CallBack)
        : token.ActiveChangeCallbacks;

    /// <summary>Whether one of the tokens that must be asked has changed. One that throws counts as changed: the entry cannot be trusted.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "A broken token must not break reads.")]
    internal static bool HavePolledOnesChanged(EntryDetails details)
    {
        if (!details.HasPolledTokens || details.Tokens is null)
        {
            return false;
        }

        try
        {
            return details.Tokens.Any(static token => token.HasChanged);
        }
        catch (Exception)
        {
            return true;
        }
    }
}
