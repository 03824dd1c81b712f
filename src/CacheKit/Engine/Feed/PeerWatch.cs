namespace CacheKit.Engine.Feed;

/// <summary>Finds out from the numbers of their messages whether something that other nodes have sent did not arrive.</summary>
/// <remarks>
/// <para>Messages may come in any order and more than once, so a number that is missing is waited for a little, and then counts as lost.
/// A node first heard of in the middle is treated as if its earlier messages were missing: whether they were sent before this node
/// listened or were lost cannot be told apart.</para>
/// <para>A node that falls silent without a goodbye may have died between changing something and telling: that counts as a loss, once.</para>
/// <para>A loss found makes everything suspect, and with that covers whatever else is missing at that moment. Not safe for concurrent use.</para>
/// </remarks>
internal sealed class PeerWatch(TimeSpan ownInterval, TimeProvider time)
{
    /// <summary>After so many of its intervals without a word a node is taken for dead.</summary>
    internal const int IntervalsOfSilence = 3;

    /// <summary>So many nodes are remembered; the longest silent one makes room.</summary>
    internal const int MaximumPeers = 1024;

    /// <summary>So many missing numbers of one node are told apart.</summary>
    private const int MaximumMissing = 1024;

    /// <summary>A number that is never sent stands for more missing ones than are told apart.</summary>
    private const long Countless = 0;

    private readonly Dictionary<ulong, Peer> _peers = [];
    private int _missing;

    /// <summary>How long a missing number is waited for.</summary>
    internal TimeSpan Grace { get; } = ownInterval < TimeSpan.FromSeconds(1) ? ownInterval : TimeSpan.FromSeconds(1);

    internal bool HasMissing => _missing > 0;

    internal int Count => _peers.Count;

    /// <summary>Takes note of a message.</summary>
    /// <returns>Whether something is certain to have been lost, without waiting.</returns>
    internal bool Hear(in InvalidationMessage message)
    {
        var now = time.GetTimestamp();
        var isCrowded = false;
        if (!_peers.TryGetValue(message.Sender, out var peer))
        {
            isCrowded = _peers.Count >= MaximumPeers && ForgetLongestSilent();
            _peers.Add(message.Sender, peer = new());
        }

        peer.HeardAt = now;
        peer.Interval = message.Interval > ownInterval ? message.Interval : ownInterval;
        peer.IsGone |= message.Type == MessageType.Goodbye;
        if (message.Sequence >= peer.Next)
        {
            NoteMissing(peer, message.Type == MessageType.Data ? message.Sequence - 1 : message.Sequence, now);
            peer.Next = message.Sequence + 1;
        }
        else if (message.Type == MessageType.Data && peer.Missing.Remove(message.Sequence))
        {
            _missing--;
        }

        return isCrowded;
    }

    /// <summary>Whether some number has been missing for too long. If so, all that is missing is given up.</summary>
    /// <param name="lookAgainIn">If not, when to look again; <see langword="null"/> if nothing is missing.</param>
    internal bool GiveUpMissing(out TimeSpan? lookAgainIn)
    {
        lookAgainIn = null;
        if (_missing == 0)
        {
            return false;
        }

        var now = time.GetTimestamp();
        var longest = TimeSpan.Zero;
        foreach (var peer in _peers.Values)
        {
            foreach (var since in peer.Missing.Values)
            {
                var missingFor = time.GetElapsedTime(since, now);
                longest = missingFor > longest ? missingFor : longest;
            }
        }

        if (longest < Grace)
        {
            lookAgainIn = Grace - longest;
            return false;
        }

        foreach (var peer in _peers.Values)
        {
            peer.Missing.Clear();
        }

        _missing = 0;
        return true;
    }

    /// <summary>Forgets nodes that have said nothing for too long.</summary>
    /// <returns>Whether one of them has not said goodbye, and may have died with something untold.</returns>
    internal bool ForgetSilent()
    {
        var now = time.GetTimestamp();
        var hasDied = false;
        foreach (var (id, peer) in _peers)
        {
            if (time.GetElapsedTime(peer.HeardAt, now) >= IntervalsOfSilence * peer.Interval)
            {
                hasDied |= !peer.IsGone;
                Forget(id, peer);
            }
        }

        return hasDied;
    }

    /// <summary>Nobody could be heard until now: silence counts from here.</summary>
    internal void ListenAnew()
    {
        foreach (var peer in _peers.Values)
        {
            peer.HeardAt = time.GetTimestamp();
        }
    }

    private void NoteMissing(Peer peer, long last, long now)
    {
        if (last - peer.Next >= MaximumMissing - peer.Missing.Count)
        {
            _missing += peer.Missing.TryAdd(Countless, now) ? 1 : 0;
            return;
        }

        for (var number = peer.Next; number <= last; number++)
        {
            peer.Missing.Add(number, now);
            _missing++;
        }
    }

    private bool ForgetLongestSilent()
    {
        var (id, peer) = _peers.MinBy(static peer => peer.Value.HeardAt);
        Forget(id, peer);
        return !peer.IsGone;
    }

    private void Forget(ulong id, Peer peer)
    {
        _missing -= peer.Missing.Count;
        _peers.Remove(id);
    }

    /// <summary>Another node, as far as it is known from its messages.</summary>
    private sealed class Peer
    {
        /// <summary>The number after the highest it is known to have used.</summary>
        internal long Next { get; set; } = 1;

        /// <summary>Lower numbers that have not come, and since when that is known.</summary>
        internal Dictionary<long, long> Missing { get; } = [];

        internal long HeardAt { get; set; }

        internal TimeSpan Interval { get; set; }

        internal bool IsGone { get; set; }
    }
}
