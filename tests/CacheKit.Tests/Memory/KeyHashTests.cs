using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

/// <summary>Hashes are drawn anew in every process, so bounds are wide: a good hash stays far below, a flaw goes far above.</summary>
public sealed class KeyHashTests
{
    public static TheoryData<string> Hashes => KeyHash.HasAes ? ["aes", "multiply"] : ["multiply"];

    private static Func<string, uint> Hash(string name) => name == "aes" ? KeyHash.OfByAes : KeyHash.OfByMultiplying;

    [Theory]
    [MemberData(nameof(Hashes))]
    public void Equal_keys_have_equal_hashes_wherever_they_lie(string name)
    {
        var hash = Hash(name);
        for (var length = 0; length < 200; length++)
        {
            var key = new string('k', length);
            var padding = new byte[length % 16]; // so that copies do not all lie alike
            hash(new string(key.AsSpan())).Should().Be(hash(key));
            GC.KeepAlive(padding);
        }
    }

    [Theory]
    [MemberData(nameof(Hashes))]
    public void Every_character_counts(string name)
    {
        var hash = Hash(name);
        var hashes = new HashSet<uint>();
        var keys = 0;
        for (var length = 1; length <= 150; length++)
        {
            for (var at = 0; at < length; at++)
            {
                foreach (var character in "bc\u0162\uff61")
                {
                    var characters = new string('a', length).ToCharArray();
                    characters[at] = character;
                    hashes.Add(hash(new string(characters)));
                    keys++;
                }
            }
        }

        (keys - hashes.Count).Should().BeLessThan(20, "about half a clash is to be expected of 45,300 keys");
    }

    [Theory]
    [MemberData(nameof(Hashes))]
    public void A_key_made_longer_by_the_null_character_is_another(string name)
    {
        var hash = Hash(name);
        Enumerable.Range(0, 100).Select(length => hash(new string('\0', length))).Distinct().Should().HaveCountGreaterThan(97);
    }

    [Theory]
    [MemberData(nameof(Hashes))]
    public void No_first_character_makes_up_for_the_length(string name)
    {
        // The blocks of these keys overlap, and but for the first are the same.
        var hash = Hash(name);
        foreach (var least in (int[])[1, 2, 4, 8, 16, 32, 48, 64])
        {
            var keys = new HashSet<string>();
            for (var length = least; length <= least + (least + 7) / 8 * 8; length++)
            {
                for (var difference = 0; difference < 64; difference++)
                {
                    keys.Add((char)('@' ^ difference) + new string('@', length - 1));
                }
            }

            (keys.Count - keys.Select(hash).Distinct().Count()).Should().BeLessThan(5, "of {0} keys of about {1} characters", keys.Count, least);
        }
    }

    [Theory]
    [MemberData(nameof(Hashes))]
    public void Keys_that_differ_in_two_characters_do_not_share_hashes(string name)
    {
        // With two rounds and no closing ones, two bytes that meet in a column take 256 hashes between them.
        var hash = Hash(name);
        foreach (var length in (int[])[2, 4, 8, 12, 16, 20, 40])
        {
            for (var first = 0; first < length; first++)
            {
                for (var second = first + 1; second < length; second++)
                {
                    var characters = new string('a', length).ToCharArray();
                    var hashes = new HashSet<uint>();
                    for (var a = '!'; a < '!' + 32; a++)
                    {
                        for (var b = '!'; b < '!' + 32; b++)
                        {
                            (characters[first], characters[second]) = (a, b);
                            hashes.Add(hash(new string(characters)));
                        }
                    }

                    hashes.Should().HaveCountGreaterThan(1020, "of 1024 keys that differ at {0} and {1} of {2}", first, second, length);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Hashes))]
    public void Keys_as_people_make_them_spread_over_the_buckets(string name)
    {
        var hash = Hash(name);
        Func<int, string>[] makers = [i => $"{i}", i => $"user:{i}", i => $"tenant:{i % 100}:order:{i / 100:D10}", i => $"https://example.org/articles/{i:x8}/comments?page=1"];
        foreach (var make in makers)
        {
            var low = new int[1 << 16];
            var high = new int[1 << 7];
            for (var i = 0; i < 1 << 16; i++)
            {
                var value = hash(make(i));
                low[value & 0xffff]++;
                high[value >> 25]++;
            }

            low.Max().Should().BeLessThan(20, "for keys like {0}; about 8 is to be expected", make(7));
            high.Should().OnlyContain(count => count > 512 - 200 && count < 512 + 200, "for keys like {0}", make(7));
        }
    }
}
