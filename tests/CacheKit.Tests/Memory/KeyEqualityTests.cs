using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

/// <summary>Keys of one length: equal ones are, and no place of a different one is overlooked. With a good hash unequal keys hardly ever come that far, so that only this would show it.</summary>
public sealed class KeyEqualityTests
{
    public static TheoryData<int> Lengths => [.. Enumerable.Range(0, 33)];

    [Theory]
    [MemberData(nameof(Lengths))]
    public void No_place_is_overlooked(int length)
    {
        var key = new string([.. Enumerable.Range(0, length).Select(static i => (char)('a' + i))]);
        foreach (var areEqual in MethodsFor(length))
        {
            areEqual(key, new string(key), (nuint)length).Should().BeTrue();
            for (var place = 0; place < length; place++)
            {
                foreach (var change in (int[])[1, 0x100, 0x8000])
                {
                    var other = key.ToCharArray();
                    other[place] = (char)(other[place] ^ change);
                    areEqual(key, new string(other), (nuint)length).Should().BeFalse("place {0} of {1} differs", place, length);
                }
            }
        }
    }

    private static IEnumerable<Func<string, string, nuint, bool>> MethodsFor(int length)
    {
        if (length <= 8)
        {
            yield return KeyEquality.AreShortEqual;
        }

        if (length is >= 8 and <= 16)
        {
            yield return KeyEquality.AreMediumEqual;
        }

        if (length >= 16)
        {
            yield return KeyEquality.AreLongEqual;
        }
    }
}
