using System.Reflection;

namespace CacheKit.Tests;

/// <summary>Dependencies point one way: adapters and registration use the engine, the engine uses the tiers, and nothing looks back.</summary>
public sealed class LayeringTests
{
    private static readonly string[] _outermost =
        ["CacheKit.Adapters", "CacheKit.DependencyInjection", "Microsoft.Extensions.DependencyInjection"];

    private static readonly Dictionary<string, string[]> _mustNotUse = new()
    {
        ["CacheKit.Memory"] = ["CacheKit.Engine", "CacheKit.Diagnostics", "CacheKit.Serialization", .. _outermost],
        ["CacheKit.Disk"] = ["CacheKit.Engine", "CacheKit.Memory", "CacheKit.Diagnostics", "CacheKit.Serialization", .. _outermost],
        ["CacheKit.Serialization"] = ["CacheKit.Engine", "CacheKit.Memory", "CacheKit.Diagnostics", .. _outermost],
        ["CacheKit.Engine"] = _outermost,
    };

    private static readonly string[] _machinery =
    [
        "CacheKit.Engine", "CacheKit.Memory", "CacheKit.Diagnostics", "CacheKit.Serialization", "CacheKit.Disk",
        "CacheKit.Redis.Connection", "CacheKit.Redis.Diagnostics", "CacheKit.Redis.Feed", "CacheKit.Redis.Gathering", "CacheKit.Redis.Protocol", "CacheKit.Redis.Store",
    ];

    private static readonly Dictionary<string, string[]> _assembliesAllowed = new()
    {
        ["CacheKit"] =
        [
            "Microsoft.Extensions.Caching.Abstractions",
            "Microsoft.Extensions.Configuration.Abstractions",
            "Microsoft.Extensions.DependencyInjection.Abstractions",
            "Microsoft.Extensions.Diagnostics.Abstractions",
            "Microsoft.Extensions.Hosting.Abstractions",
            "Microsoft.Extensions.Logging.Abstractions",
            "Microsoft.Extensions.Options",
            "Microsoft.Extensions.Primitives",
        ],
        ["CacheKit.Redis"] =
        [
            "CacheKit",
            "Microsoft.Extensions.Configuration.Abstractions",
            "Microsoft.Extensions.DependencyInjection.Abstractions",
            "Microsoft.Extensions.Hosting.Abstractions",
            "Microsoft.Extensions.Logging.Abstractions",
            "Microsoft.Extensions.Options",
            "Microsoft.Extensions.Primitives",
            "StackExchange.Redis",
        ],
        ["CacheKit.AspNetCore"] =
        [
            "CacheKit",
            "Microsoft.AspNetCore.OutputCaching",
            "Microsoft.Extensions.DependencyInjection.Abstractions",
            "Microsoft.Extensions.Diagnostics.HealthChecks",
            "Microsoft.Extensions.Diagnostics.HealthChecks.Abstractions",
            "Microsoft.Extensions.Options",
        ],
        ["CacheKit.Testing"] =
        [
            "CacheKit",
        ],
        ["CacheKit.Testing.Contracts"] =
        [
            "CacheKit",
            "CacheKit.Testing",
            "FluentAssertions",
            "Microsoft.Extensions.Logging.Abstractions",
            "Microsoft.Extensions.Primitives",
            "xunit.v3.assert",
            "xunit.v3.common",
            "xunit.v3.core",
        ],
    };

    public static TheoryData<string> Projects => [.. Repository.SourceProjects];

    [Fact]
    public void Each_layer_uses_only_what_lies_below_it() => UpwardUses(Assembly.Load("CacheKit")).Should().BeEmpty();

    [Theory]
    [InlineData("CacheKit")]
    [InlineData("CacheKit.Redis")]
    public void The_machinery_is_internal(string package) => VisibleMachinery(Assembly.Load(package)).Should().BeEmpty();

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_package_references_only_the_assemblies_it_is_allowed_to(string project)
    {
        _assembliesAllowed.Should().ContainKey(project, "a package exists because of a dependency, so what it may depend on is written down");
        Assembly.Load(project).GetReferencedAssemblies().Select(reference => reference.Name)
            .Where(name => !name!.StartsWith("System.", StringComparison.Ordinal)) // references have names
            .Should().BeSubsetOf(_assembliesAllowed[project]);
    }

    [Fact]
    public void An_upward_use_is_found_wherever_it_hides()
    {
        var assembly = Assembly.Load(Compiler.CompileLibrary("UpsideDown", """
            namespace CacheKit.Engine
            {
                public class Cache { public static int Count => 1; public static Cache? Last; public class Inner; }
                public sealed class CacheAttribute : Attribute;
                public sealed class CacheException : Exception;
                public interface IEngine;
            }
            namespace CacheKit.Memory
            {
                using CacheKit.Engine;

                public class ByBase : Cache;
                public class ByInterface : IEngine;
                public class ByField { private List<Cache[]>? _field; public override string ToString() => $"{_field}"; }
                public class ByNestedField { private Cache.Inner? _field; public override string ToString() => $"{_field}"; }
                public class ByParameter { public void M(ref Cache? cache) => cache = null; }
                public class ByReturnType { public Dictionary<string, Cache>? M() => null; }
                public class ByConstraint<T> where T : IEngine;
                public class ByMethodConstraint { public void M<T>() where T : IEngine { } }
                [Cache] public class ByAttribute;
                public class ByMemberAttribute { [Cache] public int P { get; set; } }
                public class ByCall { public int M() => Cache.Count; }
                public class ByStaticField { public bool M() => Cache.Last is null; }
                public class ByTypeOf { public Type M() => typeof(Cache); }
                public class ByCast { public bool M(object o) => o is Cache; }
                public class ByGenericArgument { public object M() => Array.Empty<Cache>(); }
                public class ByCatch { public void M() { try { M(); } catch (CacheException) { } } }
                public class ByLambda { public Func<int> M() => () => Cache.Count; }
                public class ByAsync { public async Task<int> M() { await Task.Yield(); return Cache.Count; } }
                public class ByIterator { public IEnumerable<int> M() { yield return Cache.Count; } }
                public class AfterASwitch
                {
                    public int M(int i)
                    {
                        switch (i) { case 0: return 5; case 1: return 7; case 2: return 11; case 3: return 13; default: return Cache.Count; }
                    }
                }
                public class Innocent { public long M<T>(T value) where T : notnull => value.GetHashCode() + 0x100000000L; }
            }
            """));

        var guilty = assembly.GetTypes().Where(type => type.Namespace == "CacheKit.Memory" && type.Name != "Innocent" && !type.IsNested);
        UpwardUses(assembly).Select(use => use.Split(' ')[0]).Should().OnlyHaveUniqueItems().And.BeEquivalentTo(guilty.Select(type => type.FullName));
    }

    [Fact]
    public void Visible_machinery_is_found()
    {
        var assembly = Assembly.Load(Compiler.CompileLibrary("Naked", """
            namespace CacheKit.Engine.Parts { public class Flight; internal class Hidden { public class AlsoHidden; } }
            namespace CacheKit { public class Contract; }
            """));

        VisibleMachinery(assembly).Should().Equal("CacheKit.Engine.Parts.Flight");
    }

    private static IEnumerable<string> UpwardUses(Assembly assembly) =>
        from layer in _mustNotUse
        from type in assembly.GetTypes()
        where !type.IsNested && IsIn(type, layer.Key)
        let forbidden = TypeDependencies.Of(type).Where(used => layer.Value.Any(above => IsIn(used, above))).Select(used => used.FullName)
        where forbidden.Any()
        select $"{type.FullName} uses {string.Join(", ", forbidden)}";

    private static IEnumerable<string?> VisibleMachinery(Assembly assembly) =>
        assembly.GetTypes().Where(type => type.IsVisible && _machinery.Any(layer => IsIn(type, layer))).Select(type => type.FullName);

    private static bool IsIn(Type type, string layer) =>
        type.Namespace is { } name && (name == layer || name.StartsWith(layer + ".", StringComparison.Ordinal));
}
