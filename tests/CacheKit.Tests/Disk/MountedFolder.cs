namespace CacheKit.Tests.Disk;

/// <summary>A small file system of its own in a folder, for as long as the test lasts. The test is skipped where that takes what it does not have.</summary>
internal sealed class MountedFolder : IDisposable
{
    private readonly string _path;
    private string? _image;

    private MountedFolder(string path, params string[] arguments)
    {
        _path = path;
        Directory.CreateDirectory(path);
        Assert.SkipUnless(
            OperatingSystem.IsLinux() && OtherProgram.Run("mount", [.. arguments, path]) is not null, "A file system cannot be mounted here: that takes Linux and root.");
    }

    /// <summary>A file system in memory.</summary>
    public static MountedFolder InMemory(string path, string options) => new(path, "-t", "tmpfs", "-o", options, "tmpfs");

    /// <summary>What is in the folder already, where nobody may write any more.</summary>
    public static MountedFolder ReadOnly(string path) => new(path, "-o", "bind,ro", path);

    /// <summary>A file system of some kind in a file.</summary>
    public static MountedFolder Image(string path, string kind, int bytes)
    {
        var image = path + ".image";
        using (var file = File.Create(image))
            file.SetLength(bytes);
        try
        {
            Assert.SkipUnless(OtherProgram.Run("mkfs." + kind, "-q", "-F", image) is not null, "A file system of this kind cannot be made here.");
            return new(path, "-o", "loop", image) { _image = image };
        }
        catch
        {
            File.Delete(image);
            throw;
        }
    }

    public void Dispose()
    {
        OtherProgram.Run("umount", "-l", _path);
        if (_image is not null)
            File.Delete(_image);
    }
}
