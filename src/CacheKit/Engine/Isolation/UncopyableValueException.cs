using System.Diagnostics.CodeAnalysis;

namespace CacheKit.Engine.Isolation;

/// <summary>A value that was to be isolated cannot be copied.</summary>
[SuppressMessage("Design", "CA1064:Exceptions should be public", Justification = "Callers are told an InvalidOperationException; only adapters tell it from others.")]
internal sealed class UncopyableValueException(string message, Exception innerException) : InvalidOperationException(message, innerException);
