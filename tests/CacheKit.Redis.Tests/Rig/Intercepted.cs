using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using StackExchange.Redis;

namespace CacheKit.Redis.Tests.Rig;

/// <summary>A connection of which a test decides when the answer to a command comes, or what it is.</summary>
internal static class Intercepted
{
    /// <param name="real">Does everything that is asked for.</param>
    /// <param name="answer">Given the name of a database's method, its arguments and what it has returned; returns what the caller gets.</param>
    internal static IConnectionMultiplexer Connection(IConnectionMultiplexer real, Func<string, object?[], object?, object?> answer) =>
        Create(real, (name, _, result) => name == nameof(IConnectionMultiplexer.GetDatabase) ? Create((IDatabase)result!, answer) : result); // as its signature says

    private static T Create<T>(T real, Func<string, object?[], object?, object?> answer)
        where T : class
    {
        var proxy = DispatchProxy.Create<T, Proxy>();
        ((Proxy)(object)proxy).Set(real, answer);
        return proxy;
    }

    [SuppressMessage("Performance", "CA1852:Seal internal types", Justification = "What is made of it derives from it.")]
    internal class Proxy : DispatchProxy
    {
        private object? _real;
        private Func<string, object?[], object?, object?>? _answer;

        internal void Set(object real, Func<string, object?[], object?, object?> answer) => (_real, _answer) = (real, answer);

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
            _answer!(targetMethod!.Name, args ?? [], targetMethod.Invoke(_real, BindingFlags.DoNotWrapExceptions, binder: null, args, culture: null)); // set at once
    }
}
