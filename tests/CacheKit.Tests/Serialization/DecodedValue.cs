using CacheKit.Serialization;

namespace CacheKit.Tests.Serialization;

/// <summary>Keeps what a codec hands over, and the type it is handed over as.</summary>
internal struct DecodedValue : IDecodedValue
{
    public object? Value { get; private set; }

    public Type? StoredAs { get; private set; }

    public void Accept<TStored>(TStored value)
    {
        StoredAs.Should().BeNull("a value is handed over once");
        Value = value;
        StoredAs = typeof(TStored);
    }
}
