'use strict'
// The viewer: a scan from a file, what the server makes of it, and both together in NiiVue. Nothing is asked of
// any other host, and nothing stays in the browser beyond the page but the token of the session.
;(() => {
  const $ = (id) => document.getElementById(id)
  const state = { models: [], files: [], scan: null, segmentation: null, attribution: null, job: null, links: [] }
  const nv = new niivue.Niivue({
    dragAndDropEnabled: false, backColor: [0, 0, 0, 1], show3Dcrosshair: true, multiplanarShowRender: 1,
    isColorbar: false, crosshairColor: [0.37, 0.78, 0.95, 0.6], loadingText: '', crosshairWidth: 0.25, logLevel: 'error',
  })

  const say = (text, bad) => {
    $('status').textContent = text
    $('status').classList.toggle('error', Boolean(bad))
  }
  // title tells where things stand to whoever watches the page from outside.
  const title = (text) => { document.title = text }

  // ---- the server

  async function call(path, options = {}) {
    const headers = { ...options.headers }
    const token = sessionStorage.getItem('token')
    if (token) headers.Authorization = 'Bearer ' + token
    const answer = await fetch(path, { ...options, headers, cache: 'no-store' })
    if (answer.ok) return answer
    if (answer.status === 401) $('access').hidden = false
    let text = answer.statusText
    try { text = (await answer.json()).error } catch { /* not JSON */ }
    throw new Error(text || `status ${answer.status}`)
  }

  async function loadModels() {
    const { models } = await (await call('/api/v1/models')).json()
    state.models = models.filter((m) => m.tasks.length > 0)
    $('model').replaceChildren(...state.models.map((m) => new Option(`${m.name} (${m.task})`, m.name)))
    $('access').hidden = true
    chooseModel()
  }

  const model = () => state.models.find((m) => m.name === $('model').value)

  function chooseModel() {
    const m = model()
    const explains = Boolean(m && m.tasks.includes('attribute'))
    $('explaining').hidden = !explains
    if (explains) {
      $('method').replaceChildren(...m.methods.map((name) => new Option(name, name)))
      const kind = m.task === 'classification' ? 'class' : 'mask'
      const labels = m.labels.filter((l) => l.value !== 0 || kind === 'class')
      $('target').replaceChildren(new Option('chosen by the model', ''), ...labels.map((l) => new Option(l.name, `${kind}:${l.value}`)))
    }
    enable()
  }

  function enable() {
    const m = model()
    const idle = !state.job
    $('predict').disabled = !(m && state.files.length && idle)
    $('explain').disabled = !(m && state.files.length && idle && m.tasks.includes('attribute'))
    $('cancel').disabled = idle
    $('opacity-scan').disabled = !state.scan
    $('opacity-segmentation').disabled = !state.segmentation
    $('opacity-attribution').disabled = $('threshold').disabled = !state.attribution
  }

  // events yields the server-sent events of a job; EventSource cannot send a token.
  async function* events(id) {
    const answer = await call(`/api/v1/jobs/${id}/events`)
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      text += value
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const data = text.slice(0, end).split('\n').find((line) => line.startsWith('data: '))
        text = text.slice(end + 2)
        if (data) yield JSON.parse(data.slice(6))
      }
    }
  }

  function showProgress(job) {
    const bar = $('progress')
    bar.hidden = false
    if (job.total > 0) bar.value = job.done / job.total
    else bar.removeAttribute('value')
    const stage = { read: 'reading', prepare: 'preparing', window: 'predicting', explain: 'explaining', write: 'writing' }[job.stage] || job.state
    const count = job.total > 0 ? ` ${job.done} of ${job.total}` : job.position ? `, place ${job.position}` : ''
    say(stage + count)
  }

  // work sends the scan, follows the job and shows what comes of it.
  async function work(task) {
    const form = new FormData()
    form.append('model', $('model').value)
    form.append('task', task)
    if (task === 'attribute') {
      form.append('method', $('method').value)
      if ($('target').value) form.append('target', $('target').value)
    }
    state.files.forEach((file, i) => form.append('scan', file, `scan-${i}`)) // the file's own name stays here
    title('working')
    say('sending')
    state.job = 'new'
    enable()
    try {
      let job = await (await call('/api/v1/jobs', { method: 'POST', body: form })).json()
      state.job = job.id
      for await (job of events(job.id)) showProgress(job)
      if (job.state !== 'done') throw new Error(job.error || `the job was ${job.state}`)
      await show(job)
      const s = job.result.seconds
      say(`done in ${(s.read + s.prepare + s.compute + (s.explain || 0) + s.write).toFixed(1)} s`)
      title('ready')
    } catch (err) {
      say(err.message, true)
      title('error')
    } finally {
      state.job = null
      $('progress').hidden = true
      enable()
    }
  }

  async function fetchResult(job, name) {
    return new File([await (await call(`/api/v1/jobs/${job.id}/result/${name}`)).blob()], name)
  }

  async function show(job) {
    for (const name of job.result.files) {
      const file = await fetchResult(job, name)
      if (name === 'prediction.nii.gz') await showSegmentation(file)
      if (name === 'attribution.nii.gz') await showAttribution(file)
      offer(file)
    }
    legend(job.result)
  }

  // ---- the scene

  async function openScan(files) {
    try {
      say('reading')
      title('working')
      clear()
      const scan = await niivue.NVImage.loadFromFile({ file: files[0], name: files[0].name, colormap: 'gray' })
      nv.addVolume(scan)
      Object.assign(state, { files, scan })
      $('drop').classList.add('filled')
      nv.setSliceType(nv.sliceTypeMultiplanar)
      say(`${scan.hdr.dims.slice(1, 4).join(' × ')} voxels`)
      title('ready')
    } catch (err) {
      say(`this file cannot be shown: ${err.message || err}`, true)
      title('error')
    }
    enable()
  }

  function clear() {
    for (const v of [...nv.volumes]) nv.removeVolume(v)
    Object.assign(state, { files: [], scan: null, segmentation: null, attribution: null })
    $('legend').hidden = true
    forget()
    $('downloads').replaceChildren()
  }

  function replace(key, volume) {
    if (state[key]) nv.removeVolume(state[key])
    state[key] = volume
    nv.addVolume(volume)
  }

  async function showSegmentation(file) {
    const volume = await niivue.NVImage.loadFromFile({ file, name: file.name, opacity: Number($('opacity-segmentation').value) })
    volume.colorbarVisible = false
    const labels = model().labels
    const rgb = labels.map((l) => [1, 3, 5].map((at) => parseInt(l.color.slice(at, at + 2), 16)))
    volume.setColormapLabel({
      R: rgb.map((c) => c[0]), G: rgb.map((c) => c[1]), B: rgb.map((c) => c[2]),
      A: labels.map((l) => (l.value === 0 ? 0 : 255)), I: labels.map((l) => l.value), labels: labels.map((l) => l.name),
    })
    replace('segmentation', volume)
    nv.updateGLVolume()
  }

  async function showAttribution(file) {
    const volume = await niivue.NVImage.loadFromFile({
      file, name: file.name, colormap: 'warm', colormapNegative: 'winter', opacity: Number($('opacity-attribution').value),
    })
    volume.largest = Math.max(Math.abs(volume.global_min), Math.abs(volume.global_max)) || 1
    replace('attribution', volume)
    threshold()
  }

  function threshold() {
    const v = state.attribution
    if (!v) return
    v.cal_min = Number($('threshold').value) * v.largest
    v.cal_max = v.largest
    v.cal_minNeg = -v.largest
    v.cal_maxNeg = -v.cal_min
    nv.updateGLVolume()
  }

  function opacity(key) {
    const at = nv.volumes.indexOf(state[key])
    if (at >= 0) nv.setOpacity(at, Number($('opacity-' + key).value))
  }

  function legend(result) {
    const rows = []
    const cell = (text) => { const td = document.createElement('td'); td.textContent = text; return td }
    const row = (value, name, ...rest) => {
      const tr = document.createElement('tr')
      const swatch = document.createElement('span')
      swatch.className = 'swatch'
      swatch.style.background = (model().labels.find((l) => l.value === value) || { color: '#888' }).color
      const first = document.createElement('td')
      first.append(swatch)
      tr.append(first, cell(name), ...rest.map(cell))
      rows.push(tr)
    }
    for (const v of result.volumes || []) row(v.value, v.name, v.voxels.toLocaleString('en'), v.ml.toFixed(2))
    for (const c of result.classes || []) row(c.value, (c.picked ? '✓ ' : '') + c.name, '', (100 * c.probability).toFixed(1) + ' %')
    if (rows.length === 0) return
    $('legend').tBodies[0].replaceChildren(...rows)
    $('legend').hidden = false
  }

  function offer(file) {
    const url = URL.createObjectURL(file)
    state.links.push(url)
    const link = document.createElement('a')
    Object.assign(link, { href: url, download: file.name, textContent: file.name })
    for (const old of [...$('downloads').children]) if (old.download === file.name) old.remove()
    $('downloads').append(link)
  }

  function forget() {
    state.links.splice(0).forEach((url) => URL.revokeObjectURL(url))
  }

  // ---- the page

  function listen() {
    const scene = $('scene')
    // In the capturing phase: NiiVue's own listeners on the canvas let nothing through.
    window.addEventListener('dragover', (e) => { e.preventDefault(); scene.classList.add('over') }, true)
    window.addEventListener('dragleave', (e) => { if (!e.relatedTarget) scene.classList.remove('over') }, true)
    window.addEventListener('drop', (e) => {
      e.preventDefault()
      scene.classList.remove('over')
      const files = [...e.dataTransfer.files]
      if (files.length && !state.job) openScan(files)
    }, true)
    $('file').addEventListener('change', () => { if ($('file').files.length && !state.job) openScan([...$('file').files]) })
    $('model').addEventListener('change', chooseModel)
    $('predict').addEventListener('click', () => work(model().task === 'classification' ? 'classify' : 'segment'))
    $('explain').addEventListener('click', () => work('attribute'))
    $('cancel').addEventListener('click', () => {
      if (state.job && state.job !== 'new') call(`/api/v1/jobs/${state.job}`, { method: 'DELETE' }).catch((err) => say(err.message, true))
    })
    for (const key of ['scan', 'segmentation', 'attribution']) $('opacity-' + key).addEventListener('input', () => opacity(key))
    $('threshold').addEventListener('input', threshold)
    $('access').addEventListener('submit', (e) => {
      e.preventDefault()
      sessionStorage.setItem('token', $('token').value.trim())
      start()
    })
  }

  async function start() {
    try {
      await loadModels()
      say(state.models.length ? 'Drop a scan' : 'No loaded model takes scans')
      title('ready')
    } catch (err) {
      say(err.message, true)
      title('error')
    }
  }

  async function main() {
    try {
      await nv.attachToCanvas($('canvas'))
      nv.onLocationChange = (at) => { $('place').textContent = at.string }
      listen()
    } catch (err) {
      say(`this browser has no WebGL2: ${err.message || err}`, true)
      title('error')
      return
    }
    await start()
  }
  main()
})()
