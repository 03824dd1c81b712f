using CacheKit.Disk;
using CacheKit.Engine;
using CacheKit.Engine.Tiers;
using CacheKit.Tests.Disk;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Tiers;

/// <summary>How much memory it takes to stream a large value. Alone, because what others allocate would count.</summary>
[Collection(nameof(StreamedValueMemoryTests))]
public sealed class StreamedValueMemoryTests
{
    private const int Size = 256 << 20;

    [Fact]
    public async Task A_quarter_of_a_gigabyte_goes_in_and_out_in_a_few_megabytes()
    {
        using var folder = new DiskFolder();
        var store = folder.Open(settings => settings with { Geometry = DiskGeometry.For(2200L << 20, 1 << 16, 1000), FlushOnClose = false });
        var options = new CacheStoreOptions { ReadTimeout = Timeout.InfiniteTimeSpan, WriteTimeout = Timeout.InfiniteTimeSpan };
        await using var cache = new Cache(
            "default", new CacheKitOptions(), new MemoryOptions(), folder.Clock, NullLogger.Instance, [], meters: null, stores: [new StoreSetup(store, options)]);
        await cache.SetStreamAsync("first", new Zeros(3 << 20));
        var before = GC.GetTotalAllocatedBytes(precise: true);

        (await cache.SetStreamAsync("key", new Zeros(Size))).Should().BeTrue();
        await using var stream = (await cache.OpenReadAsync("key"))!; // just set
        await stream.CopyToAsync(Stream.Null);

        stream.Position.Should().Be(Size);
        (GC.GetTotalAllocatedBytes(precise: true) - before).Should().BeLessThan(8 << 20);
    }

    [CollectionDefinition(nameof(StreamedValueMemoryTests), DisableParallelization = true)]
    public sealed class Alone;

    /// <summary>Gives zeros, without holding them.</summary>
    private sealed class Zeros(long length) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get; set; }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var count = (int)Math.Min(buffer.Length, length - Position);
            buffer[..count].Clear();
            Position += count;
            return count;
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
