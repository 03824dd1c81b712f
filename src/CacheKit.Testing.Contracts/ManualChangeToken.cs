using Microsoft.Extensions.Primitives;

namespace CacheKit.Testing.Contracts;

/// <summary>A change token that changes when the test says so, and knows who is registered with it.</summary>
public sealed class ManualChangeToken : IChangeToken
{
    private readonly Lock _lock = new();
    private readonly List<(Action<object?> Callback, object? State, Registration Registration)> _registered = [];

    /// <summary>Whether it calls back; one that does not must be asked.</summary>
    public bool ActiveChangeCallbacks { get; init; } = true;

    /// <summary>Whether it has changed.</summary>
    public bool HasChanged { get; private set; }

    /// <summary>How many registrations there are that nobody has undone.</summary>
    public int Registrations
    {
        get
        {
            lock (_lock)
            {
                return _registered.Count;
            }
        }
    }

    /// <summary>Changes the token, and calls back.</summary>
    public void Change()
    {
        (Action<object?> Callback, object? State, Registration Registration)[] registered;
        lock (_lock)
        {
            HasChanged = true;
            registered = [.. _registered];
            _registered.Clear();
        }

        foreach (var (callback, state, _) in registered)
        {
            callback(state);
        }
    }

    /// <inheritdoc/>
    public IDisposable RegisterChangeCallback(Action<object?> callback, object? state)
    {
        ArgumentNullException.ThrowIfNull(callback);
        if (!ActiveChangeCallbacks)
        {
            throw new InvalidOperationException("This token does not call back and must be asked.");
        }

        var registration = new Registration(this);
        lock (_lock)
        {
            if (!HasChanged)
            {
                _registered.Add((callback, state, registration));
                return registration;
            }
        }

        callback(state);
        return registration;
    }

    private sealed class Registration(ManualChangeToken token) : IDisposable
    {
        public void Dispose()
        {
            lock (token._lock)
            {
                token._registered.RemoveAll(registered => registered.Registration == this);
            }
        }
    }
}
