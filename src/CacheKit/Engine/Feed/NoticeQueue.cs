using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace CacheKit.Engine.Feed;

/// <summary>What is to be told to other nodes: in order, each thing once with its newest stamp, and not more than a bound.</summary>
/// <remarks>Beyond the bound a single notice stands for all: that everything is suspect. Not safe for concurrent use.</remarks>
internal sealed class NoticeQueue(int capacity)
{
    private readonly Queue<(NoticeKind Kind, string Text)> _order = [];
    private readonly Dictionary<(NoticeKind Kind, string Text), InvalidationNotice> _notices = [];
    private readonly List<InvalidationNotice> _batch = [];
    private long _taken;

    internal int Count => _order.Count;

    /// <summary>How many have been added. What was added before has been taken when <see cref="TryTake"/> says so much.</summary>
    internal long Added => _taken + _order.Count;

    /// <summary>Whether everything is to be called suspect, so that nothing more needs to be told.</summary>
    internal bool IsEverythingSuspect { get; private set; }

    internal void Add(in InvalidationNotice notice)
    {
        if (IsEverythingSuspect)
        {
            return; // whoever is told will ask the authority, which knows of this change already
        }

        var identity = (notice.Kind, notice.Text);
        if (_notices.TryGetValue(identity, out var earlier))
        {
            if (earlier.Stamp < notice.Stamp)
            {
                _notices[identity] = notice;
            }

            return;
        }

        if (_order.Count >= capacity || InvalidationMessage.SizeOf(notice) > InvalidationMessage.MostNoticeBytes)
        {
            _taken += _order.Count;
            _order.Clear();
            _notices.Clear();
            IsEverythingSuspect = true;
            _order.Enqueue((NoticeKind.EverythingSuspect, ""));
            _notices.Add((NoticeKind.EverythingSuspect, ""), InvalidationNotice.EverythingSuspect);
            return;
        }

        _order.Enqueue(identity);
        _notices.Add(identity, notice);
    }

    /// <summary>Takes as many of the oldest notices as fit into one message.</summary>
    /// <param name="header">The message without notices.</param>
    /// <param name="message">The message.</param>
    /// <param name="through">As many as were added in all, up to the last of those taken.</param>
    internal bool TryTake(in InvalidationMessage header, [NotNullWhen(true)] out byte[]? message, out long through)
    {
        _batch.Clear();
        var bytes = 0;
        while (_batch.Count < InvalidationMessage.MaximumNotices && _order.TryPeek(out var identity))
        {
            var notice = _notices[identity];
            bytes += InvalidationMessage.SizeOf(notice);
            if (bytes > InvalidationMessage.MostNoticeBytes)
            {
                break;
            }

            _batch.Add(notice);
            _order.Dequeue();
            _notices.Remove(identity);
            _taken++;
            IsEverythingSuspect &= notice.Kind != NoticeKind.EverythingSuspect;
        }

        through = _taken;
        message = _batch.Count == 0 ? null : header.Encode(CollectionsMarshal.AsSpan(_batch));
        return message is not null;
    }
}
