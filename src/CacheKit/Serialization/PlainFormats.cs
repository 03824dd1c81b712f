using System.Buffers.Binary;

namespace CacheKit.Serialization;

/// <summary>One byte, 0 or 1.</summary>
internal sealed class BooleanFormat : RawFormat<bool>
{
    protected override void WriteRaw(EncodedEntry target, bool value) => target.Write([value ? (byte)1 : (byte)0]);

    protected override bool ReadRaw(ReadOnlySpan<byte> payload)
    {
        CheckLength(payload, 1);
        return payload[0] switch { 0 => false, 1 => true, var other => throw new InvalidDataException($"A Boolean is 0 or 1, not {other}.") };
    }
}

/// <summary>Its four parts, as the framework takes it apart: trailing zeros are kept.</summary>
internal sealed class DecimalFormat : RawFormat<decimal>
{
    protected override void WriteRaw(EncodedEntry target, decimal value)
    {
        Span<int> parts = stackalloc int[4];
        decimal.GetBits(value, parts);
        foreach (var part in parts)
        {
            BinaryPrimitives.WriteInt32LittleEndian(target.GetSpan(sizeof(int)), part);
            target.Advance(sizeof(int));
        }
    }

    protected override decimal ReadRaw(ReadOnlySpan<byte> payload)
    {
        CheckLength(payload, 16);
        Span<int> parts = stackalloc int[4];
        for (var i = 0; i < parts.Length; i++)
        {
            parts[i] = BinaryPrimitives.ReadInt32LittleEndian(payload[(i * sizeof(int))..]);
        }

        return new(parts);
    }
}

/// <summary>Its sixteen bytes, in the order of its text.</summary>
internal sealed class GuidFormat : RawFormat<Guid>
{
    protected override void WriteRaw(EncodedEntry target, Guid value)
    {
        value.TryWriteBytes(target.GetSpan(16), bigEndian: true, out var written);
        target.Advance(written);
    }

    protected override Guid ReadRaw(ReadOnlySpan<byte> payload) => new(payload, bigEndian: true);
}

/// <summary>Its ticks.</summary>
internal sealed class TimeSpanFormat : RawFormat<TimeSpan>
{
    protected override void WriteRaw(EncodedEntry target, TimeSpan value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(target.GetSpan(sizeof(long)), value.Ticks);
        target.Advance(sizeof(long));
    }

    protected override TimeSpan ReadRaw(ReadOnlySpan<byte> payload)
    {
        CheckLength(payload, sizeof(long));
        return new(BinaryPrimitives.ReadInt64LittleEndian(payload));
    }
}

/// <summary>Ticks and kind. A local time stays the same instant where the local time is another.</summary>
internal sealed class DateTimeFormat : RawFormat<DateTime>
{
    protected override void WriteRaw(EncodedEntry target, DateTime value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(target.GetSpan(sizeof(long)), value.ToBinary());
        target.Advance(sizeof(long));
    }

    protected override DateTime ReadRaw(ReadOnlySpan<byte> payload)
    {
        CheckLength(payload, sizeof(long));
        return DateTime.FromBinary(BinaryPrimitives.ReadInt64LittleEndian(payload));
    }
}

/// <summary>Ticks of the clock, and the minutes by which it is ahead of UTC.</summary>
internal sealed class DateTimeOffsetFormat : RawFormat<DateTimeOffset>
{
    protected override void WriteRaw(EncodedEntry target, DateTimeOffset value)
    {
        var span = target.GetSpan(sizeof(long) + sizeof(short));
        BinaryPrimitives.WriteInt64LittleEndian(span, value.Ticks);
        BinaryPrimitives.WriteInt16LittleEndian(span[sizeof(long)..], (short)value.TotalOffsetMinutes);
        target.Advance(sizeof(long) + sizeof(short));
    }

    protected override DateTimeOffset ReadRaw(ReadOnlySpan<byte> payload)
    {
        CheckLength(payload, sizeof(long) + sizeof(short));
        return new(BinaryPrimitives.ReadInt64LittleEndian(payload), TimeSpan.FromMinutes(BinaryPrimitives.ReadInt16LittleEndian(payload[sizeof(long)..])));
    }
}

/// <summary>The number of the day.</summary>
internal sealed class DateOnlyFormat : RawFormat<DateOnly>
{
    protected override void WriteRaw(EncodedEntry target, DateOnly value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target.GetSpan(sizeof(int)), value.DayNumber);
        target.Advance(sizeof(int));
    }

    protected override DateOnly ReadRaw(ReadOnlySpan<byte> payload)
    {
        CheckLength(payload, sizeof(int));
        return DateOnly.FromDayNumber(BinaryPrimitives.ReadInt32LittleEndian(payload));
    }
}

/// <summary>Its ticks.</summary>
internal sealed class TimeOnlyFormat : RawFormat<TimeOnly>
{
    protected override void WriteRaw(EncodedEntry target, TimeOnly value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(target.GetSpan(sizeof(long)), value.Ticks);
        target.Advance(sizeof(long));
    }

    protected override TimeOnly ReadRaw(ReadOnlySpan<byte> payload)
    {
        CheckLength(payload, sizeof(long));
        return new(BinaryPrimitives.ReadInt64LittleEndian(payload));
    }
}
