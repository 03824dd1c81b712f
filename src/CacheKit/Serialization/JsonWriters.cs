using System.Buffers;
using System.Text.Json;

namespace CacheKit.Serialization;

/// <summary>Lends JSON writers, one for each thread, since one is larger than many values.</summary>
internal sealed class JsonWriters(JsonSerializerOptions options)
{
    [ThreadStatic]
    private static (JsonWriters Owner, Utf8JsonWriter Writer)? _idle;

    private readonly JsonWriterOptions _options = new()
    {
        Encoder = options.Encoder,
        MaxDepth = options.MaxDepth == 0 ? 64 : options.MaxDepth,
        SkipValidation = true,
    };

    internal Utf8JsonWriter Take(IBufferWriter<byte> target)
    {
        // Taken away, not just read: a converter may use a cache in the middle of a value.
        if (_idle is var (owner, writer) && owner == this)
        {
            _idle = null;
            writer.Reset(target);
            return writer;
        }

        return new(target, _options);
    }

    internal void Return(Utf8JsonWriter writer)
    {
        writer.Reset(Nowhere.Instance); // lets the entry go
        _idle = (this, writer);
    }

    private sealed class Nowhere : IBufferWriter<byte>
    {
        internal static readonly Nowhere Instance = new();

        public void Advance(int count) => throw new InvalidOperationException();

        public Memory<byte> GetMemory(int sizeHint = 0) => throw new InvalidOperationException();

        public Span<byte> GetSpan(int sizeHint = 0) => throw new InvalidOperationException();
    }
}
