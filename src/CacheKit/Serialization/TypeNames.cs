using System.Security.Cryptography;
using System.Text;

namespace CacheKit.Serialization;

/// <summary>Names types so that the name stays when an assembly gets a new version.</summary>
/// <remarks>
/// As reflection writes them, with the simple names of assemblies alone: <c>Shop.Basket`1[[Shop.Item, Shop]], Shop</c>. What belongs to the
/// base library goes without, because types move between its assemblies.
/// </remarks>
internal static class TypeNames
{
    private const int MaximumLength = 2_000;

    internal static string Of(Type type)
    {
        var name = new StringBuilder();
        Append(name, type);
        return name.Length <= MaximumLength
            ? name.ToString()
            : $"#{Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(name.ToString())))}";
    }

    /// <summary>Whether an assembly is one whose types are named without it.</summary>
    internal static bool IsBaseLibrary(string? assembly) => assembly is "System" || (assembly?.StartsWith("System.", StringComparison.Ordinal) ?? false);

    private static void Append(StringBuilder name, Type type)
    {
        AppendWithoutAssembly(name, type);
        var element = type;
        while (element.HasElementType)
        {
            element = element.GetElementType()!; // it has one
        }

        if (element.Assembly.GetName().Name is { } assembly && !IsBaseLibrary(assembly))
        {
            name.Append(", ").Append(assembly);
        }
    }

    private static void AppendWithoutAssembly(StringBuilder name, Type type)
    {
        if (type.IsArray)
        {
            AppendWithoutAssembly(name, type.GetElementType()!); // an array has one
            name.Append(type.IsSZArray ? "[]" : type.GetArrayRank() == 1 ? "[*]" : $"[{new string(',', type.GetArrayRank() - 1)}]");
        }
        else if (type.IsConstructedGenericType)
        {
            name.Append(type.GetGenericTypeDefinition().FullName).Append('[');
            var arguments = type.GetGenericArguments();
            for (var i = 0; i < arguments.Length; i++)
            {
                name.Append(i == 0 ? "[" : ",[");
                Append(name, arguments[i]);
                name.Append(']');
            }

            name.Append(']');
        }
        else
        {
            name.Append(type.FullName);
        }
    }
}
