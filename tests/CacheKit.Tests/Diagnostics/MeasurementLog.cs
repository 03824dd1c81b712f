using System.Diagnostics.Metrics;

namespace CacheKit.Tests.Diagnostics;

/// <summary>Listens to the meter CacheKit and keeps what it measures.</summary>
internal sealed class MeasurementLog : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly List<(Instrument Instrument, double Value, Dictionary<string, object?> Tags)> _measurements = [];

    /// <param name="meters">Whose meter to listen to; <see langword="null"/>: the process-wide one.</param>
    internal MeasurementLog(IMeterFactory? meters = null)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "CacheKit" && instrument.Meter.Scope == meters)
            {
                Instruments.Add(instrument);
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
    }

    internal List<Instrument> Instruments { get; } = [];

    /// <summary>Collects, and gives what one cache reported of one instrument, by its other tag.</summary>
    internal Dictionary<string, double> Collect(string instrument, string cache)
    {
        _listener.RecordObservableInstruments();
        lock (_measurements)
        {
            var found = _measurements
                .Where(measurement => measurement.Instrument.Name == instrument && (string?)measurement.Tags["cachekit.cache"] == cache)
                .ToDictionary(
                    measurement => string.Join(',', measurement.Tags.Where(tag => tag.Key != "cachekit.cache").Select(tag => $"{tag.Key}={tag.Value}")),
                    measurement => measurement.Value);
            _measurements.Clear();
            return found;
        }
    }

    /// <summary>Collects, and gives the names of the tags of everything reported.</summary>
    internal HashSet<string> CollectTagNames()
    {
        _listener.RecordObservableInstruments();
        lock (_measurements)
        {
            return [.. _measurements.SelectMany(measurement => measurement.Tags.Keys)];
        }
    }

    public void Dispose() => _listener.Dispose();

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var copy = new Dictionary<string, object?>();
        foreach (var tag in tags)
        {
            copy.Add(tag.Key, tag.Value);
        }

        lock (_measurements)
        {
            _measurements.Add((instrument, value, copy));
        }
    }
}
