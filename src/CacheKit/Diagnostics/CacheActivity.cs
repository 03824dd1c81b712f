using System.Diagnostics;

namespace CacheKit.Diagnostics;

/// <summary>The activities of the source <c>CacheKit</c>: one for each run of a factory. A hit has none, so that it stays cheap.</summary>
internal static class CacheActivity
{
    internal const string SourceName = "CacheKit";

    private static readonly ActivitySource _source = new(SourceName);

    /// <summary>Starts the activity of a factory's run; <see langword="null"/> if nobody listens. No tag tells the key: it may be confidential.</summary>
    internal static Activity? StartFactory(string cacheName, bool isBackground)
    {
        if (!_source.HasListeners())
        {
            return null;
        }

        var activity = _source.StartActivity("cachekit.factory");
        if (activity is { IsAllDataRequested: true })
        {
            activity.SetTag("cachekit.cache", cacheName);
            activity.SetTag("cachekit.background", isBackground);
        }

        return activity;
    }

    /// <summary>Marks an activity as failed, by the type of the exception: its message may be confidential.</summary>
    /// <returns>Always <see langword="false"/>, to be used as an exception filter.</returns>
    internal static bool NoteFailure(Activity? activity, Exception exception)
    {
        activity?.SetStatus(ActivityStatusCode.Error, exception.GetType().FullName);
        return false;
    }
}
