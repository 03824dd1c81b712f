using System.Globalization;
using System.Text.Json;
using CacheKit.Benchmarks.Memory;
using CacheKit.Serialization;

namespace CacheKit.Benchmarks.Serialization;

/// <summary>
/// What an entry costs on its way to a store and back: the envelope with its header, checksum and checks, beside JSON alone from an object to an
/// array of bytes and back.
/// </summary>
internal static class CodecBenchmark
{
    private const string Key = "product:4711";

    /// <summary>For example: <c>codec 1000</c>.</summary>
    internal static int Run(string[] args)
    {
        foreach (var length in Subjects.Numbers(args, 100, 1_000, 16_000))
        {
            Measure(Product.OfLength(length));
        }

        return 0;
    }

    private static void Measure(Product product)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(product);
        var plain = new EntryCodec(new());
        var compressing = new EntryCodec(new() { Compress = true, CompressionThreshold = 0 });
        var encrypting = new EntryCodec(new() { Encryption = new KeyRing("1", new byte[32]) });
        var metadata = new EntryMetadata
        {
            CreatedAt = DateTimeOffset.UtcNow, ExpiresAt = DateTimeOffset.UtcNow.AddMinutes(5), Tags = ["products", "category:5"],
        };

        new Interleaved(string.Create(CultureInfo.InvariantCulture, $"To bytes and back, {json.Length:N0} bytes of JSON"))
            .Add("JsonSerializer: SerializeToUtf8Bytes, Deserialize", operations =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = JsonSerializer.Deserialize<Product>(JsonSerializer.SerializeToUtf8Bytes(product));
                }
            })
            .Add("the envelope: encode, parse, decode", operations => RoundTrip(plain, operations))
            .Add("the same, compressed", operations => RoundTrip(compressing, operations))
            .Add("the same, encrypted", operations => RoundTrip(encrypting, operations))
            .Run();

        new Interleaved(string.Create(CultureInfo.InvariantCulture, $"To bytes alone, {json.Length:N0} bytes of JSON"))
            .Add("JsonSerializer: SerializeToUtf8Bytes", operations =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = JsonSerializer.SerializeToUtf8Bytes(product);
                }
            })
            .Add("the envelope: encode", operations =>
            {
                for (var i = 0; i < operations; i++)
                {
                    plain.Encode(Key, product, metadata).Dispose();
                }
            })
            .Run();

        void RoundTrip(EntryCodec codec, int operations)
        {
            var receiver = default(Receiver);
            for (var i = 0; i < operations; i++)
            {
                using var entry = codec.Encode(Key, product, metadata);
                if (!EntryCodec.TryParse(entry.Bytes, Key, out var envelope)
                    || codec.TryDecode<Product, Receiver>(envelope, ref receiver, out _) != DecodeStatus.Decoded)
                {
                    throw new InvalidOperationException("It does not come back.");
                }
            }
        }
    }

    private struct Receiver : IDecodedValue
    {
        internal object? Value;

        public void Accept<TStored>(TStored value) => Value = value;
    }

    /// <summary>Of what one caches: numbers, an instant, texts, and a list of the same.</summary>
    private sealed class Product
    {
        public int Id { get; set; }

        public string Name { get; set; } = "";

        public decimal Price { get; set; }

        public DateTimeOffset Changed { get; set; }

        public List<Offer>? Offers { get; set; }

        internal static Product OfLength(int length)
        {
            var product = new Product { Id = 4711, Name = "A teapot", Price = 19.90m, Changed = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero) };
            for (var number = 0; JsonSerializer.SerializeToUtf8Bytes(product).Length < length - 40; number++)
            {
                (product.Offers ??= []).Add(new() { Seller = $"seller {number}", Amount = number * 7, Price = 19.90m + number, IsInStock = number % 3 != 0 });
            }

            return product;
        }
    }

    private sealed class Offer
    {
        public string Seller { get; set; } = "";

        public int Amount { get; set; }

        public decimal Price { get; set; }

        public bool IsInStock { get; set; }
    }
}
