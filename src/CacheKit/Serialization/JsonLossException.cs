namespace CacheKit.Serialization;

/// <summary>A value would not come back from JSON as it was. The message says why, and never quotes the value.</summary>
internal sealed class JsonLossException(string message) : InvalidOperationException(message);
