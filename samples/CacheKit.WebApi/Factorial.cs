using System.Globalization;
using System.Numerics;

namespace CacheKit.Samples.WebApi;

/// <summary>The product of the whole numbers from 1 to <paramref name="N"/>.</summary>
/// <param name="N">Which factorial it is.</param>
/// <param name="Digits">How many digits it has.</param>
/// <param name="Value">The number in decimal, as text: most JSON readers would round it.</param>
/// <remarks>It never changes, so that all requests may be handed the same object from the cache.</remarks>
internal sealed record Factorial(int N, int Digits, string Value)
{
    /// <summary>What takes some milliseconds and fits on a screen or two; beyond, a request could keep the server busy.</summary>
    public const int Largest = 10_000;

    public static Factorial Compute(int n, CancellationToken cancellationToken)
    {
        var product = BigInteger.One;
        for (var factor = 2; factor <= n; factor++)
        {
            cancellationToken.ThrowIfCancellationRequested(); // the last who waited has gone
            product *= factor;
        }

        var value = product.ToString(CultureInfo.InvariantCulture);
        return new(n, value.Length, value);
    }
}
