using System.Buffers.Binary;
using CacheKit.Disk;

namespace CacheKit.Tests.Disk;

public sealed class Mix64Tests
{
    private const ulong Seed = 0x1234_5678_9ABC_DEF0;

    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(256)]
    [InlineData(257)]
    [InlineData(1_023)]
    public void Any_bit_changes_the_sum(int length)
    {
        var bytes = DiskStoreCalls.Bytes(length, length);
        HashSet<ulong> sums = [Mix64.Of(bytes, Seed)];
        for (var bit = 0; bit < 8 * length; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            sums.Add(Mix64.Of(bytes, Seed)).Should().BeTrue("bit {0} counts", bit);
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void Length_and_order_count_whatever_the_bytes()
    {
        HashSet<ulong> sums = [];
        for (var length = 0; length < 2_000; length++)
            sums.Add(Mix64.Of(new byte[length], Seed)).Should().BeTrue("{0} zeros are not fewer", length);

        var blocks = DiskStoreCalls.Bytes(1, 4_096);
        var sum = Mix64.Of(blocks, Seed);
        for (var first = 0; first < 64; first++)
        {
            for (var second = 0; second < first; second++)
            {
                var swapped = (byte[])blocks.Clone();
                blocks.AsSpan(first * 64, 64).CopyTo(swapped.AsSpan(second * 64));
                blocks.AsSpan(second * 64, 64).CopyTo(swapped.AsSpan(first * 64));
                Mix64.Of(swapped, Seed).Should().NotBe(sum);
            }
        }
    }

    [Fact]
    public void A_sum_is_the_same_on_every_machine()
    {
        foreach (var blocks in new[] { 5, 16, 100 })
        {
            var bytes = DiskStoreCalls.Bytes(blocks, 64 * blocks);
            Mix64.Of(bytes, Seed).Should().Be(WithoutVectors(bytes, Seed));
        }
    }

    /// <summary>What vectors do eight lanes at a time, lane by lane.</summary>
    private static ulong WithoutVectors(ReadOnlySpan<byte> bytes, ulong seed)
    {
        ulong[] k = [0x9E37_79B9_7F4A_7C15, 0xC3A5_C85C_97CB_3127, 0xB492_B66F_BE98_F273, 0x8CB9_2BA7_2F3D_8DD7];
        var state = seed ^ k[0];
        ulong[] sums = [state, state, state, state, ~state, ~state, ~state, ~state];
        ulong[] keys = [state ^ k[0], state ^ k[1], state ^ k[2], state ^ k[3], ~state ^ k[1], ~state ^ k[3], ~state ^ k[0], ~state ^ k[2]];
        ulong[] steps = [k[3], k[2], k[1], k[0]];
        for (var at = 0; at < bytes.Length; at += 64)
        {
            for (var lane = 0; lane < 8; lane++)
            {
                var neighbour = lane < 4 ? lane + 4 : (lane - 4) ^ 1;
                var mixed = Word(bytes, at, lane) ^ keys[lane];
                unchecked
                {
                    sums[lane] += ((mixed & uint.MaxValue) * (mixed >> 32)) + Word(bytes, at, neighbour);
                    keys[lane] += lane < 4 ? steps[lane] : 0 - steps[lane - 4];
                }
            }
        }

        state = Fold(sums[0] ^ k[0], sums[1] ^ k[1]) ^ Fold(sums[2] ^ k[2], sums[3] ^ k[3]) ^ Fold(sums[4] ^ k[1], sums[5] ^ k[2]) ^ Fold(sums[6] ^ k[3], sums[7] ^ k[0]);
        return Fold(Fold(k[2], state) ^ k[1], (ulong)bytes.Length ^ k[3]);
    }

    private static ulong Word(ReadOnlySpan<byte> bytes, int block, int number) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[(block + (8 * number))..]);

    private static ulong Fold(ulong left, ulong right) => Math.BigMul(left, right, out var low) ^ low;
}
