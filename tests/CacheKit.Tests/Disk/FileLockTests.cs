using CacheKit.Disk;

namespace CacheKit.Tests.Disk;

/// <summary>A lock is one's own until it is given back, and can be asked for.</summary>
public sealed class FileLockTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Who_asks_is_told_while_it_is_held_and_does_not_take_it()
    {
        FileLock.IsHeld(_path).Should().BeFalse();
        using (var held = FileLock.TryTake(_path))
        {
            held.Should().NotBeNull();
            FileLock.IsHeld(_path).Should().BeTrue();
            FileLock.IsHeld(_path).Should().BeTrue("asking lets go of nothing");
            FileLock.TryTake(_path).Should().BeNull();
        }

        FileLock.IsHeld(_path).Should().BeFalse();
        using var again = FileLock.TryTake(_path);
        again.Should().NotBeNull("who has asked has not taken it");
    }

    [Fact]
    public void A_file_that_is_not_there_is_an_error()
    {
        FluentActions.Invoking(() => FileLock.IsHeld(_path + ".missing")).Should().Throw<FileNotFoundException>();
        File.Exists(_path + ".missing").Should().BeFalse();
    }
}
