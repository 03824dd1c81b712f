using CacheKit.Disk;

namespace CacheKit.Tests.Disk;

/// <summary>A folder that only one store uses is in nobody else's hands, and nobody else's is touched. What takes two users is skipped where the test cannot be both.</summary>
public sealed class PrivateFolderTests : IDisposable
{
    private const string AnotherUser = "4711";

    private readonly DiskFolder _folder = new();

    private string Cache => Path.GetDirectoryName(_folder.Files)!; // never a root

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Beside_the_folder_of_another_user_it_is_in_a_folder_of_its_own()
    {
        Directory.CreateDirectory(Cache);
        for (var time = 0; time < 2; time++)
        {
            var (own, ownLock) = PrivateFolder.CreateBeside(Cache, hook: null);
            Path.GetDirectoryName(own).Should().Be(PrivateFolder.Beside(Cache));
            PrivateFolder.Remove(own, ownLock);
        }
    }

    [Fact]
    public void What_another_user_has_put_where_it_would_be_is_not_used()
    {
        Directory.CreateDirectory(PrivateFolder.Beside(Cache));
        GiveAway(PrivateFolder.Beside(Cache));

        FluentActions.Invoking(() => PrivateFolder.CreateBeside(Cache, hook: null)).Should().Throw<UnauthorizedAccessException>()
            .WithMessage($"'{Cache}' is another user's, and '{PrivateFolder.Beside(Cache)}', which would be used instead, is a link, no folder or another user's, too.*");
        Directory.GetFileSystemEntries(PrivateFolder.Beside(Cache)).Should().BeEmpty();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_link_where_it_would_be_is_not_followed(bool leadsSomewhere)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links take a right there.");
        var elsewhere = Path.Combine(_folder.Root, "elsewhere");
        Directory.CreateDirectory(leadsSomewhere ? elsewhere : _folder.Root);
        Directory.CreateSymbolicLink(PrivateFolder.Beside(Cache), elsewhere);

        FluentActions.Invoking(() => PrivateFolder.CreateBeside(Cache, hook: null)).Should().Throw<UnauthorizedAccessException>();
        Directory.Exists(elsewhere).Should().Be(leadsSomewhere);
        if (leadsSomewhere)
            Directory.GetFileSystemEntries(elsewhere).Should().BeEmpty();
    }

    [Fact]
    public async Task One_of_another_user_stays_though_its_lock_is_not_taken_yet()
    {
        var theirs = Path.Combine(Cache, PrivateFolder.Prefix + "theirs");
        Directory.CreateDirectory(theirs);
        File.WriteAllText(Path.Combine(theirs, "lock"), "");
        GiveAway(theirs);

        await using var store = _folder.Open(settings => settings with { IsShared = false });

        Directory.Exists(theirs).Should().BeTrue("it may have been created just now");
    }

    private static void GiveAway(string path) =>
        Assert.SkipUnless(OperatingSystem.IsLinux() && OtherProgram.Run("chown", AnotherUser, path) is not null, "That takes root.");
}
