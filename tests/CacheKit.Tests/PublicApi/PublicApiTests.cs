using Microsoft.CodeAnalysis;

namespace CacheKit.Tests.PublicApi;

/// <summary>
/// The text files beside this one list what each package lets its users see. A change to them is a change of contract, so
/// that is where a review starts. <c>APPROVE=1 bash tests/run.sh --filter PublicApi</c> writes them anew.
/// </summary>
public sealed class PublicApiTests
{
    private static readonly string _folder = Repository.PathTo("tests", "CacheKit.Tests", "PublicApi");

    public static TheoryData<string> Projects => [.. Repository.SourceProjects];

    [Theory]
    [MemberData(nameof(Projects))]
    public void The_public_api_is_the_approved_one(string project)
    {
        var assembly = Path.Combine(AppContext.BaseDirectory, project + ".dll");
        File.Exists(assembly).Should().BeTrue($"CacheKit.Tests references every project below src, so that its API is checked; add {project}");
        var actual = PublicApiPrinter.Print(Compiler.Read(MetadataReference.CreateFromFile(assembly)));

        var snapshot = Path.Combine(_folder, project + ".txt");
        if (Environment.GetEnvironmentVariable("APPROVE") == "1")
            File.WriteAllLines(snapshot, actual);

        File.Exists(snapshot).Should().BeTrue($"{project} needs an approved list of its public API: run with APPROVE=1");
        Differences(File.ReadAllLines(snapshot), actual).Should().BeEmpty("a public API changes on purpose: run with APPROVE=1 and review the diff");
    }

    [Fact]
    public void Every_approved_api_belongs_to_a_project() =>
        Directory.GetFiles(_folder, "*.txt").Select(path => Path.GetFileNameWithoutExtension(path)).Should().BeSubsetOf(Repository.SourceProjects);

    [Fact]
    public void The_list_shows_nullability_default_values_and_contract_attributes_and_hides_what_users_cannot_reach()
    {
        const string source = """
            using System.Diagnostics.CodeAnalysis;
            namespace Sample;

            public abstract class Shelf<T> : IDisposable where T : class?
            {
                public const int Limit = 3;
                internal int Hidden;
                protected Shelf(string? name = null) { }
                private protected Shelf(int hidden) { }
                public required string Label { get; init; }
                public int Count { get; internal set; }
                public bool TryTake(string key, [NotNullWhen(true)] out string? value, CancellationToken token = default) { value = null; return false; }
                public T? this[int index] => default;
                public event EventHandler? Emptied { add { } remove { } }
                protected internal abstract void Fill(params ReadOnlySpan<T> items);
                public void Dispose() { }
                public readonly struct Slot { public Slot() { } }
                internal sealed class Secret { public void Unreachable() { } }
            }
            [Flags] public enum Side : byte { Left = 1, Right = 2 }
            public delegate void Emptying(string? why);
            [Obsolete("Use Shelf.")] public static class Shelves
            {
                public static int CountAll(this IEnumerable<Shelf<string>> shelves) => 0;
                extension(string label) { public bool IsLabel => true; }
            }
            internal interface IHidden;
            """;
        var image = Compiler.CompileLibrary("Sample", source);

        PublicApiPrinter.Print(Compiler.Read(MetadataReference.CreateFromImage(image))).Should().Equal("""
            public abstract class Sample.Shelf<T> : IDisposable where T : class?
                protected Shelf(string? name = null)
                public int Count { get; }
                public void Dispose()
                public event EventHandler? Emptied
                protected internal abstract void Fill(params ReadOnlySpan<T> items)
                public required string Label { get; init; }
                public const int Limit = 3
                [value: NotNullWhen(true)] public bool TryTake(string key, out string? value, CancellationToken token = default)
                public T? this[int index] { get; }

            public readonly struct Sample.Shelf<T>.Slot
                public Slot()

            [Obsolete("Use Shelf.")] public static class Sample.Shelves
                public static int CountAll(this IEnumerable<Shelf<string>> shelves)
                public static bool get_IsLabel(string label)

            public static extension Sample.Shelves.extension(string)
                public bool IsLabel { get; }

            [Flags] public enum Sample.Side : byte
                Left = 1
                Right = 2

            public delegate void Sample.Emptying(string? why)
            """.Split('\n'));
    }

    [Fact]
    public void A_member_that_moves_to_another_type_is_a_difference() =>
        Differences(["class A", "    int X", "class B"], ["class A", "class B", "    int X"])
            .Should().Equal("- class A / int X", "+ class B / int X");

    private static IEnumerable<string> Differences(IReadOnlyList<string> approved, IReadOnlyList<string> actual)
    {
        var (before, after) = (WithOwner(approved), WithOwner(actual));
        return before.Except(after).Select(line => "- " + line).Concat(after.Except(before).Select(line => "+ " + line));
    }

    private static List<string> WithOwner(IReadOnlyList<string> lines)
    {
        var owner = "";
        var result = new List<string>();
        foreach (var line in lines)
        {
            if (!line.StartsWith(' '))
                owner = line;
            result.Add(line.StartsWith(' ') ? $"{owner} / {line.Trim()}" : line);
        }
        return result;
    }
}
