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
        miscellaneousOptions: SymbolDisplayMiscellaneousOptions.UseSpecialTypes
            | SymbolDisplayMiscellaneousOptions.IncludeNullableReferenceTypeModifier);

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

    private static readonly string[] _contractAttributes =
        ["EditorBrowsableAttribute", "FlagsAttribute", "ImmutableObjectAttribute", "ObsoleteAttribute", "OverloadResolutionPriorityAttribute"];

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

    private static IEnumerable<INamedTypeSymbol> TypesIn(INamespaceOrTypeSymbol container) =>
        container.GetMembers().SelectMany(member => member switch
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
        var members = type.GetMembers().Where(member => IsVisible(member) && !member.IsImplicitlyDeclared);
        if (type.TypeKind == TypeKind.Enum)
            return members.OfType<IFieldSymbol>().Where(field => field.HasConstantValue).Select(field => $"{field.Name} = {field.ConstantValue}");
        return members
            .Where(member => member is not INamedTypeSymbol and not IMethodSymbol { AssociatedSymbol: not null })
            .Select(member => (member.Name, Text: PrintAttributes(member) + HiddenAccessor().Replace(member.ToDisplayString(_memberFormat), "")))
            .OrderBy(member => member.Name, StringComparer.Ordinal).ThenBy(member => member.Text, StringComparer.Ordinal)
            .Select(member => member.Text);
    }

    private static string PrintAttributes(ISymbol symbol)
    {
        var printed = Contract("", symbol.GetAttributes());
        if (symbol is IMethodSymbol method)
        {
            printed = printed.Concat(Contract("return: ", method.GetReturnTypeAttributes()))
                .Concat(method.Parameters.SelectMany(parameter => Contract($"{parameter.Name}: ", parameter.GetAttributes())));
        }
        return string.Concat(printed.Order(StringComparer.Ordinal));
    }

    // Attributes that are part of the contract; the rest is the compiler's bookkeeping or says nothing to a caller.
    private static IEnumerable<string> Contract(string target, IEnumerable<AttributeData> attributes) =>
        from attribute in attributes
        let type = attribute.AttributeClass
        where type.ContainingNamespace.ToDisplayString() == "System.Diagnostics.CodeAnalysis" || _contractAttributes.Contains(type.Name)
        let arguments = attribute.ConstructorArguments.Select(argument => argument.ToCSharpString())
            .Concat(attribute.NamedArguments.Select(argument => $"{argument.Key} = {argument.Value.ToCSharpString()}"))
        let list = arguments.Any() ? $"({string.Join(", ", arguments)})" : ""
        select $"[{target}{type.Name[..^"Attribute".Length]}{list}] ";

    [GeneratedRegex(" (private|internal|private protected) (get|set|init);")]
    private static partial Regex HiddenAccessor();
}
