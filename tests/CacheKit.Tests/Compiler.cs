using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace CacheKit.Tests;

/// <summary>Compiles C# in memory against everything these tests reference: the framework, the packages and CacheKit itself.</summary>
internal static class Compiler
{
    private static readonly Lazy<IReadOnlyList<MetadataReference>> _references = new(() =>
        [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!) // set by every .NET host
            .Split(Path.PathSeparator)
            .Select(path => MetadataReference.CreateFromFile(path))]);

    /// <summary>What the SDK's ImplicitUsings puts in front of every file.</summary>
    private const string ImplicitUsings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    public static CSharpCompilation Compile(string assemblyName, OutputKind kind, params ReadOnlySpan<string> sources)
    {
        var trees = new List<SyntaxTree>();
        foreach (var source in (ReadOnlySpan<string>)[ImplicitUsings, .. sources])
            trees.Add(CSharpSyntaxTree.ParseText(source, new CSharpParseOptions(LanguageVersion.Latest)));
        return CSharpCompilation.Create(assemblyName, trees, _references.Value,
            new CSharpCompilationOptions(kind, nullableContextOptions: NullableContextOptions.Enable));
    }

    /// <summary>Compiles a library that is expected to compile, and returns its bytes.</summary>
    public static byte[] CompileLibrary(string assemblyName, params ReadOnlySpan<string> sources)
    {
        using var image = new MemoryStream();
        var result = Compile(assemblyName, OutputKind.DynamicallyLinkedLibrary, sources).Emit(image);
        result.Diagnostics.Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error).Should().BeEmpty();
        return image.ToArray();
    }

    /// <summary>Reads an assembly as the compiler sees it: declarations with nullability and default values, no bodies.</summary>
    public static IAssemblySymbol Read(MetadataReference assembly)
    {
        var compilation = CSharpCompilation.Create("reader", references: [.. _references.Value, assembly]);
        return (IAssemblySymbol)compilation.GetAssemblyOrModuleSymbol(assembly)!; // it was just referenced
    }
}
