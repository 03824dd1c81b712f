using System.Buffers.Binary;
using System.Reflection;
using System.Reflection.Emit;

namespace CacheKit.Tests;

/// <summary>
/// Finds which types a compiled type uses: in its declaration, its attributes, the signatures of its members and the bodies of
/// its methods. Nested types, and with them lambdas and async methods, count as their outermost type.
/// </summary>
internal sealed class TypeDependencies
{
    private const BindingFlags Declared =
        BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static;

    private static readonly Dictionary<ushort, OpCode> _opCodes = typeof(OpCodes).GetFields()
        .Select(field => (OpCode)field.GetValue(null)!) // the fields of OpCodes are static and set
        .ToDictionary(code => (ushort)code.Value);

    private readonly HashSet<Type> _used = [];

    private TypeDependencies() { }

    public static IReadOnlySet<Type> Of(Type type)
    {
        var dependencies = new TypeDependencies();
        dependencies.AddDeclaration(type);
        return dependencies._used;
    }

    private void AddDeclaration(Type type)
    {
        AddAttributes(type);
        Add(type.BaseType);
        AddAll(type.GetInterfaces());
        AddTypeArguments(type.GetGenericArguments());
        foreach (var member in type.GetMembers(Declared))
        {
            AddAttributes(member);
            if (member is Type nested)
                AddDeclaration(nested);
            else
                AddSignature(member);
            if (member is MethodBase method)
                AddBody(method);
        }
    }

    private void AddAttributes(MemberInfo member)
    {
        foreach (var attribute in member.GetCustomAttributesData())
        {
            Add(attribute.AttributeType);
            AddAll(attribute.ConstructorArguments.Select(argument => argument.Value).OfType<Type>());
        }
    }

    private void AddSignature(MemberInfo member)
    {
        Add(member.DeclaringType);
        switch (member)
        {
            case FieldInfo field:
                Add(field.FieldType);
                break;
            case MethodBase method:
                AddAll(method.GetParameters().Select(parameter => parameter.ParameterType));
                Add((method as MethodInfo)?.ReturnType);
                if (method.IsGenericMethod)
                    AddTypeArguments(method.GetGenericArguments());
                break;
        }
    }

    private void AddBody(MethodBase method)
    {
        if (method.GetMethodBody() is not { } body)
            return;
        AddAll(body.LocalVariables.Select(local => local.LocalType));
        AddAll(body.ExceptionHandlingClauses.Where(clause => clause.Flags == ExceptionHandlingClauseOptions.Clause).Select(clause => clause.CatchType));

        var typeArguments = method.DeclaringType?.GetGenericArguments();
        var methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : null;
        foreach (var token in MemberTokens(body.GetILAsByteArray()))
        {
            var member = method.Module.ResolveMember(token, typeArguments, methodArguments);
            if (member is Type type)
                Add(type);
            else if (member is not null)
                AddSignature(member);
        }
    }

    private static IEnumerable<int> MemberTokens(byte[]? code)
    {
        for (var at = 0; at < code?.Length;)
        {
            // Opcodes of two bytes begin with 0xFE.
            var opCode = code[at] == 0xFE ? _opCodes[(ushort)(0xFE00 | code[at + 1])] : _opCodes[code[at]];
            at += opCode.Size;
            if (opCode.OperandType is OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType)
                yield return BinaryPrimitives.ReadInt32LittleEndian(code.AsSpan(at));
            at += opCode.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + (4 * BinaryPrimitives.ReadInt32LittleEndian(code.AsSpan(at))),
                _ => 4,
            };
        }
    }

    private void AddTypeArguments(Type[] arguments)
    {
        foreach (var argument in arguments)
        {
            if (argument.IsGenericParameter)
                AddAll(argument.GetGenericParameterConstraints());
            else
                Add(argument);
        }
    }

    private void AddAll(IEnumerable<Type?> types)
    {
        foreach (var type in types)
            Add(type);
    }

    private void Add(Type? type)
    {
        while (type?.GetElementType() is { } element)
            type = element;
        if (type is null || type.IsGenericParameter || type.IsFunctionPointer)
            return;
        if (type.IsConstructedGenericType)
            AddAll(type.GetGenericArguments());
        while (type.DeclaringType is { } outer)
            type = outer;
        _used.Add(type.IsGenericType ? type.GetGenericTypeDefinition() : type);
    }
}
