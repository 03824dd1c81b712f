using System.Reflection;

namespace CacheKit.Redis.Tests;

/// <summary>An application with another version of the client can compile against this package only if no signature mentions the client.</summary>
public sealed class PublicSignatureTests
{
    [Fact]
    public void No_public_signature_mentions_the_client()
    {
        const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        var members = typeof(RedisOptions).Assembly.GetTypes().Where(type => type.IsVisible).SelectMany(type => type.GetMembers(All).Append(type));

        members.Where(IsVisible).Where(member => Mentioned(member).Any(IsOfClient)).Select(member => $"{member.DeclaringType}.{member.Name}").Should().BeEmpty();
    }

    private static bool IsVisible(MemberInfo member) => member switch
    {
        MethodBase method => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly,
        FieldInfo field => field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly,
        PropertyInfo property => property.GetAccessors(true).Any(IsVisible),
        EventInfo happening => IsVisible(happening.AddMethod!),
        _ => true,
    };

    private static IEnumerable<Type> Mentioned(MemberInfo member) => member switch
    {
        MethodInfo method => [method.ReturnType, .. method.GetParameters().Select(parameter => parameter.ParameterType), .. method.GetGenericArguments().SelectMany(Constraints)],
        ConstructorInfo constructor => constructor.GetParameters().Select(parameter => parameter.ParameterType),
        FieldInfo field => [field.FieldType],
        PropertyInfo property => [property.PropertyType],
        EventInfo happening => [happening.EventHandlerType!],
        Type type => [.. type.GetInterfaces(), .. type.BaseType is { } parent ? (Type[])[parent] : []],
        _ => [],
    };

    private static Type[] Constraints(Type argument) => argument.GetGenericParameterConstraints();

    private static bool IsOfClient(Type type) =>
        type.Assembly.GetName().Name == "StackExchange.Redis"
        || (type.HasElementType && IsOfClient(type.GetElementType()!))
        || (type.IsGenericType && type.GetGenericArguments().Any(IsOfClient));
}
