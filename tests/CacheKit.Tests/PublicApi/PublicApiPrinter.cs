using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace CacheKit.Tests.PublicApi;

/// <summary>Prints what users of an assembly can see: one line per type, and below it one line per member.</summary>
internal static partial class PublicApiPrinter
{
    private static readonly SymbolDisplayFormat _typeFormat = new(
        SymbolDisplayGlobalNamespaceStyle.Omitted,
        SymbolDisplayTypeQualificationStyle.NameAndContainingTypesAndNamespaces,
        SymbolDisplayGenericsOptions.IncludeTypeParameters | SymbolDisplayGenericsOptions.IncludeVariance
            | SymbolDisplayGenericsOptions.IncludeTypeConstraints,
        SymbolDisplayMemberOptions.None,
        SymbolDisplayDelegateStyle.NameAndSignature,
        SymbolDisplayExtensionMethodStyle.Default,
        SymbolDisplayParameterOptions.IncludeType | SymbolDisplayParameterOptions.IncludeName | SymbolDisplayParameterOptions.IncludeModifiers
            | SymbolDisplayParameterOptions.IncludeDefaultValue,
        miscellaneousOptions: SymbolDisplayMiscellaneousOptions.UseSpecialTypes | SymbolDisplayMiscellaneousOptions.IncludeNullableReferenceTypeModifier);

    private static readonly SymbolDisplayFormat _memberFormat = new(
        SymbolDisplayGlobalNamespaceStyle.Omitted,
        SymbolDisplayTypeQualificationStyle.NameAndContainingTypes,
        SymbolDisplayGenericsOptions.IncludeTypeParameters | SymbolDisplayGenericsOptions.IncludeTypeConstraints,
        SymbolDisplayMemberOptions.IncludeAccessibility | SymbolDisplayMemberOptions.IncludeModifiers | SymbolDisplayMemberOptions.IncludeType
            | SymbolDisplayMemberOptions.IncludeParameters | SymbolDisplayMemberOptions.IncludeRef | SymbolDisplayMemberOptions.IncludeConstantValue,
        SymbolDisplayDelegateStyle.NameAndSignature,
        SymbolDisplayExtensionMethodStyle.StaticMethod,
        SymbolDisplayParameterOptions.IncludeType | SymbolDisplayParameterOptions.IncludeName | SymbolDisplayParameterOptions.IncludeModifiers
            | SymbolDisplayParameterOptions.IncludeDefaultValue | SymbolDisplayParameterOptions.IncludeExtensionThis,
        SymbolDisplayPropertyStyle.ShowReadWriteDescriptor,
        kindOptions: SymbolDisplayKindOptions.IncludeMemberKeyword,
        miscellaneousOptions: SymbolDisplayMiscellaneousOptions.UseSpecialTypes | SymbolDisplayMiscellaneousOptions.EscapeKeywordIdentifiers
            | SymbolDisplayMiscellaneousOptions.IncludeNullableReferenceTypeModifier | SymbolDisplayMiscellaneousOptions.AllowDefaultLiteral);

    public static IReadOnlyList<string> Print(IAssemblySymbol assembly)
    {
        var lines = new List<string>();
        var types = TypesIn(assembly.GlobalNamespace).Where(IsVisible);
        foreach (var type in types.OrderBy(type => type.ToDisplayString(_typeFormat), StringComparer.Ordinal))
        {
            if (lines.Count > 0)
                lines.Add("");
            lines.Add(PrintAttributes(type) + PrintType(type));
            if (type.TypeKind != TypeKind.Delegate)
                lines.AddRange(PrintMembers(type).Select(member => "    " + member));
        }
        return lines;
    }

    private static IEnumerable<INamedTypeSymbol> TypesIn(INamespaceOrTypeSymbol container) => container.GetMembers().SelectMany(member => member switch
    {
        INamespaceSymbol inner => TypesIn(inner),
        INamedTypeSymbol type => TypesIn(type).Prepend(type),
        _ => [],
    });

    private static bool IsVisible(ISymbol symbol) =>
        symbol.DeclaredAccessibility is Accessibility.Public or Accessibility.Protected or Accessibility.ProtectedOrInternal
        && (symbol.ContainingType is null || IsVisible(symbol.ContainingType));

    private static string PrintType(INamedTypeSymbol type)
    {
        var kind = (type.TypeKind, type.IsRecord) switch
        {
            (TypeKind.Class, false) => "class",
            (TypeKind.Class, true) => "record",
            (TypeKind.Struct, false) => "struct",
            (TypeKind.Struct, true) => "record struct",
            (var other, _) => other.ToString().ToLowerInvariant(),
        };
        var modifiers = type switch
        {
            { IsStatic: true } => "static ",
            { TypeKind: TypeKind.Class, IsAbstract: true } => "abstract ",
            { TypeKind: TypeKind.Class, IsSealed: true } => "sealed ",
            { TypeKind: TypeKind.Struct } => (type.IsReadOnly ? "readonly " : "") + (type.IsRefLikeType ? "ref " : ""),
            _ => "",
        };
        var accessibility = type.DeclaredAccessibility == Accessibility.Public ? "public" : "protected";
        IEnumerable<INamedTypeSymbol> bases = type switch
        {
            { TypeKind: TypeKind.Enum, EnumUnderlyingType: { } underlying } => [underlying],
            { TypeKind: TypeKind.Class, BaseType: { SpecialType: not SpecialType.System_Object } parent } => [parent, .. type.Interfaces],
            { TypeKind: TypeKind.Delegate } => [],
            _ => type.Interfaces,
        };
        var list = string.Join(", ", bases.Select(parent => parent.ToDisplayString(_memberFormat)));
        // The display ends with the constraints, but C# has the bases before them: "X<T> : IX where T : class".
        var name = type.ToDisplayString(_typeFormat);
        var end = name.IndexOf(" where ", StringComparison.Ordinal) is >= 0 and var where ? where : name.Length;
        return $"{accessibility} {modifiers}{kind} {name[..end]}{(list.Length > 0 ? " : " + list : "")}{name[end..]}";
    }

    private static IEnumerable<string> PrintMembers(INamedTypeSymbol type)
    {
        var members = type.GetMembers().Where(member =>
            IsVisible(member) && !member.IsImplicitlyDeclared && member is not INamedTypeSymbol && member is not IMethodSymbol { AssociatedSymbol: not null });
        return type.TypeKind == TypeKind.Enum
            ? members.OfType<IFieldSymbol>().Where(field => field.HasConstantValue).Select(field => $"{field.Name} = {field.ConstantValue}")
            : members.Select(member => PrintAttributes(member) + HiddenAccessor().Replace(member.ToDisplayString(_memberFormat), "")).Order(StringComparer.Ordinal);
    }

    // Attributes that are part of the contract; the rest is the compiler's bookkeeping or says nothing to a caller.
    private static string PrintAttributes(ISymbol symbol)
    {
        var own = symbol.GetAttributes().Where(IsContract).Select(attribute => $"[{Print(attribute)}] ");
        var result = symbol is IMethodSymbol method
            ? method.GetReturnTypeAttributes().Where(IsContract).Select(attribute => $"[return: {Print(attribute)}] ")
            : [];
        var parameters = symbol is IMethodSymbol { Parameters: var list }
            ? list.SelectMany(parameter => parameter.GetAttributes().Where(IsContract).Select(attribute => $"[{parameter.Name}: {Print(attribute)}] "))
            : [];
        return string.Concat(own.Concat(result).Concat(parameters).Order(StringComparer.Ordinal));

        static string Print(AttributeData attribute)
        {
            var name = attribute.AttributeClass!.Name[..^"Attribute".Length]; // IsContract has looked at the class
            var arguments = attribute.ConstructorArguments.Select(argument => argument.ToCSharpString())
                .Concat(attribute.NamedArguments.Select(argument => $"{argument.Key} = {argument.Value.ToCSharpString()}"));
            return arguments.Any() ? $"{name}({string.Join(", ", arguments)})" : name;
        }
    }

    private static bool IsContract(AttributeData attribute) => attribute.AttributeClass is { } type
        && (type.ContainingNamespace.ToDisplayString() == "System.Diagnostics.CodeAnalysis"
            || type.Name is "ObsoleteAttribute" or "FlagsAttribute" or "EditorBrowsableAttribute" or "ImmutableObjectAttribute" or "OverloadResolutionPriorityAttribute")
        && type.Name is not "SetsRequiredMembersAttribute";

    [GeneratedRegex(" (private|internal|private protected) (get|set|init);")]
    private static partial Regex HiddenAccessor();
}
