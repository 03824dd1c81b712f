using System.Collections.Concurrent;
using System.Reflection;
using System.Reflection.Emit;
using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>The classes of <see cref="FaultyStore"/>: one for each set of capabilities.</summary>
/// <remarks>
/// A cache looks for a capability by asking whether a store implements its interface. There are 32 sets, and thus as many classes that would
/// differ in nothing but the list after the colon; they are made when first needed.
/// </remarks>
internal static class FaultyStoreTypes
{
    private static readonly (StoreCapabilities Capability, Type Interface)[] _interfaces =
    [
        (StoreCapabilities.Batches, typeof(IBatchStore)),
        (StoreCapabilities.Counters, typeof(ICounterStore)),
        (StoreCapabilities.Locks, typeof(ILockStore)),
        (StoreCapabilities.Transport, typeof(IInvalidationTransport)),
        (StoreCapabilities.Enumeration, typeof(IEnumerableStore)),
    ];

    private static readonly ModuleBuilder _module =
        AssemblyBuilder.DefineDynamicAssembly(new("CacheKit.Testing.FaultyStores"), AssemblyBuilderAccess.Run).DefineDynamicModule("FaultyStores");

    private static readonly ConcurrentDictionary<StoreCapabilities, Lazy<Type>> _types = [];

    internal static StoreCapabilities CapabilitiesOf(ICacheStore store) => _interfaces
        .Where(it => it.Interface.IsInstanceOfType(store))
        .Aggregate(StoreCapabilities.None, (all, it) => all | it.Capability);

    internal static FaultyStore Create(ICacheStore inner, StoreCapabilities capabilities)
    {
        var type = _types.GetOrAdd(capabilities, static it => new(() => Define(it))).Value;
        return (FaultyStore)Activator.CreateInstance(type, inner)!; // a class, so never null
    }

    private static Type Define(StoreCapabilities capabilities)
    {
        var baseConstructor = typeof(FaultyStore).GetConstructor(BindingFlags.Instance | BindingFlags.NonPublic, [typeof(ICacheStore)])
            ?? throw new InvalidOperationException("The constructor of FaultyStore has changed.");
        lock (_module)
        {
            var type = _module.DefineType(
                $"FaultyStore<{capabilities}>", TypeAttributes.Public | TypeAttributes.Sealed, typeof(FaultyStore),
                [.. _interfaces.Where(it => capabilities.HasFlag(it.Capability)).Select(it => it.Interface)]);
            var constructor = type.DefineConstructor(MethodAttributes.Public, CallingConventions.Standard, [typeof(ICacheStore)]).GetILGenerator();
            constructor.Emit(OpCodes.Ldarg_0);
            constructor.Emit(OpCodes.Ldarg_1);
            constructor.Emit(OpCodes.Call, baseConstructor);
            constructor.Emit(OpCodes.Ret);
            return type.CreateType();
        }
    }
}
